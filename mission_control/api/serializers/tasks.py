"""Serializers to read tasks and messages, and to write tasks and requests to run them."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from rest_framework import serializers

from agents.models import Agent
from agents.rules import ACTIVE_DESCRIPTION_CHARS
from mission_control.api import querysets
from mission_control.api.fields import (
    Choice,
    Data,
    Description,
    Flag,
    Id,
    Integer,
    Moment,
    Person,
    Reference,
    References,
    Tags,
    Text,
    Title,
)
from mission_control.api.serializers.feed import Attachments
from mission_control.api.serializers.reader import Reader
from mission_control.models import Message, Project, Run, Task


class LastRunReader(Reader):
    error = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields = ["id", "status", "finished_at", "error"]
        read_only_fields = fields

    def get_error(self, run: Run) -> str | None:
        return run.error or None


class TaskReader(Reader):
    project_id = serializers.UUIDField(allow_null=True)
    parent_task_id = serializers.UUIDField(allow_null=True)
    assignee_ids = serializers.ListField(child=serializers.UUIDField())
    blocked_by = serializers.ListField(source="blocker_ids", child=serializers.UUIDField())
    blocks = serializers.ListField(source="blocked_ids", child=serializers.UUIDField())
    active_run_id = serializers.SerializerMethodField()
    last_run = LastRunReader(allow_null=True)

    class Meta:
        model = Task
        fields = [
            "id",
            "title",
            "description",
            "status",
            "priority",
            "assignee_ids",
            "creator_id",
            "parent_task_id",
            "blocked_by",
            "blocks",
            "tags",
            "due_date",
            "started_at",
            "completed_at",
            "created_at",
            "updated_at",
            "metadata",
            "project_id",
            "task_type",
            "active_description",
            "estimated_minutes",
            "active_run_id",
            "last_run",
        ]
        read_only_fields = fields

    def get_active_run_id(self, task: Task) -> UUID | None:
        return task.last_run_id if task.last_run and task.last_run.is_active else None


class TaskFields(serializers.Serializer):
    """The fields of a task that refer to no other object, as requests and imported files contain them."""

    title = Title()
    description = Description()
    priority = Choice(choices=Task.Priority.choices, required=False)
    task_type = Choice(choices=Task.Type.choices, required=False)
    tags = Tags()
    due_date = Moment(required=False, allow_null=True)
    estimated_minutes = Integer(required=False, allow_null=True)
    active_description = Text(max_length=ACTIVE_DESCRIPTION_CHARS, required=False, allow_blank=True)


class TaskCreate(TaskFields):
    """A new task."""

    assignee_ids = References(Agent.objects.all(), source="assignees")
    creator_id = Person()
    project_id = Reference(Project.objects.all(), source="project", required=False, allow_null=True)
    parent_task_id = Reference(Task.objects.all(), source="parent_task", required=False, allow_null=True)
    blocked_by = References(Task.objects.only("pk", "project_id", "created_at"))
    metadata = Data(required=False, help_text="`retry` sets how often a failed run is retried.")


class TaskChange(TaskCreate):
    """The fields of a task that change; the others stay."""

    status = Choice(choices=Task.Status.choices, required=False)


class RunRequest(serializers.Serializer):
    agent_id = Id()
    when_full = Choice(choices=["reject", "queue"], default="reject")
    ignore_dependencies = Flag(default=False)
    follow_up = Description(
        allow_blank=False, help_text="A message with which the agent's conversation about the task continues."
    )
    attachment_ids = Attachments(source="attachments", help_text="Documents and files attached to the follow-up.")

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if given.get("attachments") and "follow_up" not in given:
            raise serializers.ValidationError({"attachment_ids": ["Only a follow-up can have attachments."]})
        return given


class MessageReader(Reader):
    task_id = serializers.UUIDField()
    from_agent_id = serializers.SerializerMethodField()
    author = serializers.SerializerMethodField()

    class Meta:
        model = Message
        fields = [
            "id",
            "task_id",
            "from_agent_id",
            "author",
            "content",
            "attachment_ids",
            "mentions",
            "created_at",
            "metadata",
        ]
        read_only_fields = fields

    def get_from_agent_id(self, message: Message) -> str:
        return str(message.from_agent_id or "human")

    def get_author(self, message: Message) -> str | None:
        return message.author.get_username() if message.author else None


class TaskDetail(serializers.Serializer):
    task = TaskReader()
    messages = MessageReader(many=True)


class RunningTask(serializers.Serializer):
    task_id = serializers.UUIDField()
    title = serializers.CharField()
    status = serializers.ChoiceField(choices=Task.Status.choices)
    assignee_ids = serializers.ListField(child=serializers.UUIDField())
    run_id = serializers.UUIDField()
    agent_id = serializers.UUIDField(allow_null=True)
    agent_name = serializers.CharField()
    started_at = serializers.DateTimeField()


class RunningTasks(serializers.Serializer):
    running_tasks = RunningTask(many=True)
    count = serializers.IntegerField(min_value=0)


def running_task(run: Run) -> dict[str, Any]:
    """Return the entry in `tasks/running` for a task's run that holds a slot."""
    assert run.task is not None
    return {
        "task_id": run.task_id,
        "title": run.task.title,
        "status": run.task.status,
        "assignee_ids": run.task.assignee_ids,
        "run_id": run.pk,
        "agent_id": run.agent_id,
        "agent_name": run.agent_name,
        "started_at": run.started_at or run.enqueued_at,  # it counts as running since its admission
    }


def shown_tasks(keys: Iterable[UUID]) -> list[dict[str, Any]]:
    """Return tasks as the API shows them, for the frames of changed tasks."""
    return list(TaskReader(querysets.tasks().filter(pk__in=keys), many=True).data)
