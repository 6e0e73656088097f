from typing import Any

from rest_framework import serializers

from mission_control.models import Run, RunEvent
from mission_control.runs.events import output_of

USAGE = ("model", "input_tokens", "output_tokens", "cost_usd")


class RunReader(serializers.ModelSerializer):
    """A run as lists show it."""

    project_id = serializers.UUIDField()
    task_id = serializers.UUIDField()
    agent_id = serializers.UUIDField()
    error = serializers.SerializerMethodField()
    requested_by = serializers.SerializerMethodField()
    usage = serializers.SerializerMethodField()
    document_id = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields = [
            "id",
            "kind",
            "project_id",
            "task_id",
            "task_title",
            "agent_id",
            "agent_name",
            "status",
            "error",
            "attempt",
            "requested_by",
            "queued_at",
            "started_at",
            "finished_at",
            "duration_seconds",
            "last_seq",
            "usage",
            "document_id",
        ]
        read_only_fields = fields

    def get_error(self, run: Run) -> str | None:
        return run.error or None

    def get_requested_by(self, run: Run) -> str | None:
        return run.requested_by and run.requested_by.get_username()

    def get_usage(self, run: Run) -> dict[str, Any]:
        return {key: run.usage.get(key) for key in USAGE}

    def get_document_id(self, run: Run) -> str | None:
        handed_in = getattr(run, "handed_in", None)
        return handed_in and str(handed_in.deliverable_id)


class WholeRunReader(RunReader):
    output = serializers.SerializerMethodField()

    class Meta(RunReader.Meta):
        fields = [*RunReader.Meta.fields, "prompt", "output"]
        read_only_fields = fields

    def get_output(self, run: Run) -> str:
        return output_of(run.pk) if run.is_active else run.output


class RunEventReader(serializers.ModelSerializer):
    class Meta:
        model = RunEvent
        fields = ["seq", "type", "content", "timestamp", "metadata"]
