"""Serializers to read and write projects."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.utils.functional import cached_property
from rest_framework import serializers

from agents.models import Agent
from mission_control.api import querysets
from mission_control.api.fields import Choice, Data, Description, Person, Reference, References, Tags, Title
from mission_control.api.serializers.documents import DocumentReader
from mission_control.api.serializers.reader import Reader
from mission_control.api.serializers.tasks import TaskReader
from mission_control.models import Deliverable, Project, Task
from mission_control.queries.progress import count_files


def task_ids(projects: Iterable[Project]) -> dict[UUID, list[UUID]]:
    """Return the ids of the tasks of each project, oldest first. Creates no instances, as there may be many."""
    found: dict[UUID, list[UUID]] = {project.pk: [] for project in projects}
    tasks = Task.objects.filter(project__in=found).order_by("created_at", "id")
    for project_id, key in tasks.values_list("project_id", "pk"):
        found[project_id].append(key)
    return found


class ProjectReader(Reader):
    planner_agent_id = serializers.UUIDField(allow_null=True)
    prd_document_id = serializers.UUIDField(allow_null=True)
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

    def get_team_agent_ids(self, project: Project) -> list[UUID]:
        return [agent.pk for agent in project.team_agents.all()]

    def get_task_ids(self, project: Project) -> list[UUID]:
        listed = getattr(self.parent, "instance", None)
        return self.tasks_of[project.pk] if listed else task_ids([project])[project.pk]

    @cached_property
    def tasks_of(self) -> dict[UUID, list[UUID]]:
        """The ids of the tasks of all listed projects, loaded in one query."""
        listed: Iterable[Project] = getattr(self.parent, "instance", ())
        return task_ids(listed)

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


class Progress(serializers.Serializer):
    total = serializers.IntegerField(min_value=0)
    completed = serializers.IntegerField(min_value=0)
    skipped = serializers.IntegerField(min_value=0)
    in_progress = serializers.IntegerField(min_value=0)
    blocked = serializers.IntegerField(min_value=0)
    human_pending = serializers.IntegerField(min_value=0)
    percent = serializers.FloatField(min_value=0, max_value=100)


class ProjectDetail(serializers.Serializer):
    project = ProjectReader()
    tasks = TaskReader(many=True)
    progress = Progress()


def shown_projects(keys: Iterable[UUID]) -> list[dict[str, Any]]:
    """Return projects as the API shows them, for the frames of changed projects."""
    return list(ProjectReader(querysets.projects().filter(pk__in=keys), many=True).data)


class ProjectPlan(ProjectDetail):
    prd = DocumentReader(allow_null=True)
    execution_levels = serializers.ListField(
        child=serializers.ListField(child=serializers.UUIDField()),
        help_text="Task ids by level: the tasks of a level depend only on tasks of earlier levels.",
    )
    task_level_map = serializers.DictField(
        child=serializers.IntegerField(min_value=0), help_text="Each task's level, by its id."
    )
    goal_analysis = serializers.DictField(allow_null=True)
    waiting_for = serializers.DictField(
        child=serializers.CharField(),
        help_text="Why each task is waiting, by task id. Tasks that are running, done or skipped are omitted.",
    )


class ProjectSteered(serializers.Serializer):
    success = serializers.ChoiceField(choices=[True])
    project = ProjectReader()


class TaskSkipped(serializers.Serializer):
    success = serializers.ChoiceField(choices=[True])
    task = TaskReader()
    progress = Progress()


class FileReader(serializers.Serializer):
    name = serializers.CharField()
    isDir = serializers.BooleanField()  # noqa: N815 - the contract's name
    size = serializers.IntegerField(min_value=0, help_text="Size in bytes; 0 for anything but a file.")
