from rest_framework import serializers

from agents.models import Agent
from mission_control.api.fields import Choice, Data, Description, Person, Reference, References, Tags, Title
from mission_control.models import Deliverable, Project
from mission_control.projects.progress import count_files


class ProjectReader(serializers.ModelSerializer):
    planner_agent_id = serializers.UUIDField()
    prd_document_id = serializers.UUIDField()
    team_agent_ids = serializers.SerializerMethodField()
    task_ids = serializers.SerializerMethodField()
    folder_path = serializers.CharField(source="folder")
    file_count = serializers.SerializerMethodField()

    class Meta:
        model = Project
        fields = [
            "id",
            "title",
            "description",
            "status",
            "planner_agent_id",
            "team_agent_ids",
            "task_ids",
            "prd_document_id",
            "creator_id",
            "tags",
            "started_at",
            "completed_at",
            "created_at",
            "updated_at",
            "metadata",
            "folder_path",
            "file_count",
        ]
        read_only_fields = fields

    def get_team_agent_ids(self, project: Project) -> list[str]:
        return [str(agent.pk) for agent in project.team_agents.all()]

    def get_task_ids(self, project: Project) -> list[str]:
        return [str(task.pk) for task in project.tasks.all()]

    def get_file_count(self, project: Project) -> int:
        return count_files(project.folder)


class ProjectCreate(serializers.Serializer):
    title = Title()
    description = Description()
    tags = Tags()
    creator_id = Person(allow_null=False)
    metadata = Data(required=False)


class ProjectChange(ProjectCreate):
    status = Choice(choices=Project.Status.choices, required=False)
    prd_document_id = Reference(
        Deliverable.objects.defer("content"), source="prd_document", required=False, allow_null=True
    )
    team_agent_ids = References(Agent.objects.all(), source="team_agents")
