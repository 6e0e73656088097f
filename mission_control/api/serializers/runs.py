"""Serializers to read runs, their events and the capacity."""

from typing import TypedDict
from uuid import UUID

from rest_framework import serializers

from agents.models import Agent
from mission_control.api.fields import Reference
from mission_control.api.serializers.reader import Reader
from mission_control.models import Run, RunEvent
from mission_control.runs.events import output_of


class RunUsage(TypedDict):
    """Tokens and cost of a run; null if unknown."""

    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None


class RunReader(Reader):
    """A run, as shown in lists."""

    project_id = serializers.UUIDField(allow_null=True)
    task_id = serializers.UUIDField(allow_null=True)
    agent_id = serializers.UUIDField(allow_null=True)
    end_cause = serializers.ChoiceField(
        choices=[cause for cause in Run.EndCause.values if cause != Run.EndCause.DATABASE_LOST],
        source="reported_end_cause",
        allow_null=True,
        read_only=True,
        help_text="Why the run ended; null while it is active.",
    )
    parked_for = serializers.ChoiceField(
        choices=Run.ParkedFor.choices,
        source="reported_parking",
        allow_null=True,
        read_only=True,
        help_text="What a parked run waits for; null for any other.",
    )
    follow_up = serializers.SerializerMethodField(
        help_text="The message with which it continues the agent's conversation; null for any other run."
    )
    previous_run_id = serializers.UUIDField(allow_null=True, help_text="The run that it continues.")
    host = serializers.SerializerMethodField(help_text="The machine that ran it; null before it starts.")
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
            "host",
            "status",
            "end_cause",
            "parked_for",
            "resumes_at",
            "error",
            "attempt",
            "follow_up",
            "previous_run_id",
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

    def get_follow_up(self, run: Run) -> str | None:
        return run.follow_up or None

    def get_host(self, run: Run) -> str | None:
        return run.host or None

    def get_error(self, run: Run) -> str | None:
        return run.error or None

    def get_requested_by(self, run: Run) -> str | None:
        return run.requested_by.get_username() if run.requested_by else None

    def get_usage(self, run: Run) -> RunUsage:
        known = run.usage.get
        return RunUsage(
            model=known("model"),
            input_tokens=known("input_tokens"),
            output_tokens=known("output_tokens"),
            cost_usd=known("cost_usd"),
        )

    def get_document_id(self, run: Run) -> UUID | None:
        handed_in = getattr(run, "handed_in", None)
        return handed_in.deliverable_id if handed_in else None


class WholeRunReader(RunReader):
    """A run with its prompt and its output so far."""

    output = serializers.SerializerMethodField()

    class Meta(RunReader.Meta):
        fields = [*RunReader.Meta.fields, "prompt", "output"]
        read_only_fields = fields

    def get_output(self, run: Run) -> str:
        return output_of(run.pk) if run.is_active else run.output


class RunEventReader(Reader):
    class Meta:
        model = RunEvent
        fields = ["seq", "type", "content", "timestamp", "metadata"]
        read_only_fields = fields


class RunDetail(serializers.Serializer):
    run = WholeRunReader()


class RunStopped(serializers.Serializer):
    status = serializers.ChoiceField(choices=["stopped"])
    task_id = serializers.UUIDField(allow_null=True)
    message = serializers.CharField()


class StoppedRun(RunStopped):
    run_id = serializers.UUIDField()
    run = WholeRunReader()


class RunStarted(serializers.Serializer):
    success = serializers.ChoiceField(choices=[True])
    message = serializers.CharField()
    status = serializers.ChoiceField(choices=["started", "waiting"])
    task_id = serializers.UUIDField()
    agent_id = serializers.UUIDField()
    agent_name = serializers.CharField()
    run_id = serializers.UUIDField()


class ResumeRequest(serializers.Serializer):
    agent_id = Reference(Agent.objects.all(), source="agent", required=False, allow_null=True)


class ResumedRun(serializers.Serializer):
    status = serializers.ChoiceField(choices=["started", "waiting"])
    message = serializers.CharField()
    run = WholeRunReader()


class RunEvents(serializers.Serializer):
    events = RunEventReader(many=True)
    count = serializers.IntegerField(min_value=0, help_text="Number of events after `after`.")
    last_seq = serializers.IntegerField(min_value=0)
    status = serializers.ChoiceField(choices=Run.Status.choices, help_text="Status of the run.")


class CapacityReader(serializers.Serializer):
    limit = serializers.IntegerField(min_value=1)
    running = serializers.IntegerField(min_value=0)
    queued = serializers.IntegerField(min_value=0)
    waiting = serializers.IntegerField(min_value=0)
    available = serializers.IntegerField(min_value=0)
