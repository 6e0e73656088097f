"""Serializers to read the feed and notifications, and to write messages, assignments and statuses."""

from typing import Any
from uuid import UUID

from rest_framework import serializers

from agents.models import Agent
from mission_control.api.fields import Choice, Description, Person, Reference, References
from mission_control.api.serializers.reader import Reader
from mission_control.models import Activity, AttachedFile, Deliverable, Notification, Project, Task

DOCUMENTS = Deliverable.objects.defer("content")


class ActivityReader(Reader):
    id = serializers.UUIDField(source="uid")
    agent_id = serializers.UUIDField(allow_null=True)
    task_id = serializers.UUIDField(allow_null=True)
    document_id = serializers.UUIDField(allow_null=True)

    class Meta:
        model = Activity
        fields = ["id", "type", "agent_id", "message", "task_id", "document_id", "created_at", "metadata"]
        read_only_fields = fields


class NotificationReader(Reader):
    agent_id = serializers.UUIDField(allow_null=True, help_text="The agent that it is for; null for people.")
    source_message_id = serializers.UUIDField(allow_null=True)
    source_task_id = serializers.UUIDField(allow_null=True)
    delivered = serializers.BooleanField()
    read = serializers.BooleanField()

    class Meta:
        model = Notification
        fields = [
            "id",
            "agent_id",
            "type",
            "content",
            "source_message_id",
            "source_task_id",
            "delivered",
            "read",
            "created_at",
            "delivered_at",
            "metadata",
        ]
        read_only_fields = fields


class NotificationMarked(serializers.Serializer):
    success = serializers.ChoiceField(choices=[True])
    message = serializers.CharField()
    notification = NotificationReader()


class Attachments(References):
    """The ids of documents, and of files that were attached to the task."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(DOCUMENTS, **kwargs)

    def find(self, keys: list[UUID]) -> dict[UUID, Any]:
        found = super().find(keys)
        missing = [key for key in keys if key not in found]
        return {**found, **AttachedFile.objects.in_bulk(missing)} if missing else found


class MessageCreate(serializers.Serializer):
    content = Description(required=True, allow_blank=False)
    from_agent_id = Person(allow_null=False, source="from_agent")
    attachment_ids = Attachments(source="attachments")

    def validate_from_agent_id(self, key: str) -> Agent | None:
        """Return the agent; None for a person."""
        return None if key == "human" else Agent.objects.filter(pk=key).first()


class Assignees(References):
    """References to agents, which are required."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Agent.objects.all(), **kwargs)
        self.required = True


class AssignRequest(serializers.Serializer):
    agent_ids = Assignees()


class StatusRequest(serializers.Serializer):
    status = Choice(choices=Task.Status.choices)
    agent_id = Reference(Agent.objects.all(), source="by", required=False, allow_null=True)


class AttachRequest(serializers.Serializer):
    document_id = Reference(DOCUMENTS)


class Total(serializers.Serializer):
    total = serializers.IntegerField(min_value=0)


def _with_statuses(name: str, statuses: list[str]) -> serializers.Serializer:
    """Return the serializer of a total and of the number in each status; every status is a key."""
    numbers = {status: serializers.IntegerField(min_value=0) for status in statuses}
    by_status = type(f"{name}ByStatus", (serializers.Serializer,), numbers)
    made: serializers.Serializer = type(f"{name}Counts", (Total,), {"by_status": by_status()})()
    return made


class NotificationCounts(Total):
    undelivered = serializers.IntegerField(min_value=0)
    unread = serializers.IntegerField(min_value=0)


class Stats(serializers.Serializer):
    agents = _with_statuses("Agent", Agent.Status.values)
    tasks = _with_statuses("Task", Task.Status.values)
    projects = _with_statuses("Project", Project.Status.values)
    messages = Total()
    activities = Total()
    documents = Total()
    notifications = NotificationCounts()


class StatsAnswer(serializers.Serializer):
    stats = Stats()


class StandupAnswer(serializers.Serializer):
    standup = serializers.CharField(help_text="Markdown.")
