"""Serializers of the files in working folders that people attached."""

from rest_framework import serializers

from mission_control.api.serializers.reader import Reader
from mission_control.models import AttachedFile


class AttachedFileReader(Reader):
    name = serializers.CharField()
    path = serializers.CharField(help_text="Relative to the working folder.")
    task_id = serializers.UUIDField(allow_null=True)
    project_id = serializers.UUIDField(allow_null=True)
    added_by = serializers.SerializerMethodField()

    class Meta:
        model = AttachedFile
        fields = ["id", "name", "path", "size", "content_type", "task_id", "project_id", "added_by", "created_at"]
        read_only_fields = fields

    def get_added_by(self, file: AttachedFile) -> str | None:
        return file.added_by.get_username() if file.added_by else None


class FilesAdded(serializers.Serializer):
    files = AttachedFileReader(many=True)
    count = serializers.IntegerField(min_value=1)
