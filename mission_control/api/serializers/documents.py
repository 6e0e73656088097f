"""Serializers to read documents and their versions, and to write documents."""

from rest_framework import serializers

from mission_control.api.fields import Choice, Content, Data, Person, Reference, Tags, Title
from mission_control.api.serializers.reader import Reader
from mission_control.models import Deliverable, DeliverableVersion, Project, Task


class DocumentReader(Reader):
    task_id = serializers.UUIDField(allow_null=True)
    project_id = serializers.UUIDField(allow_null=True)
    run_id = serializers.UUIDField(allow_null=True)

    class Meta:
        model = Deliverable
        fields = [
            "id",
            "title",
            "content",
            "type",
            "task_id",
            "project_id",
            "run_id",
            "author_id",
            "tags",
            "version",
            "created_at",
            "updated_at",
            "metadata",
        ]
        read_only_fields = fields


class VersionReader(Reader):
    class Meta:
        model = DeliverableVersion
        fields = ["version", "content", "editor_id", "created_at"]
        read_only_fields = fields


class DocumentCreate(serializers.Serializer):
    title = Title()
    content = Content(required=False)
    type = Choice(choices=Deliverable.Type.choices, required=False)
    author_id = Person()
    task_id = Reference(Task.objects.all(), source="task", required=False, allow_null=True)
    project_id = Reference(Project.objects.all(), source="project", required=False, allow_null=True)
    tags = Tags()
    metadata = Data(required=False)


class DocumentChange(serializers.Serializer):
    title = Title()
    content = Content()
    editor_id = Person()
    type = Choice(choices=Deliverable.Type.choices)
    tags = Tags()
    metadata = Data()
