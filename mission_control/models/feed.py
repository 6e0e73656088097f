"""Activities, messages in the threads of tasks, and notifications."""

import uuid
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models

from agents import rules
from agents.models import Agent
from mission_control.models.deliverable import Deliverable
from mission_control.models.run import Run
from mission_control.models.task import Task


class Activity(models.Model):
    """One entry of the activity feed. `number` increases with time, so that a reader can resume after it."""

    class Type(models.TextChoices):
        TASK_CREATED = "task_created"
        TASK_UPDATED = "task_updated"
        TASK_ASSIGNED = "task_assigned"
        TASK_COMPLETED = "task_completed"
        MESSAGE_SENT = "message_sent"
        DOCUMENT_CREATED = "document_created"
        DOCUMENT_UPDATED = "document_updated"
        AGENT_HEARTBEAT = "agent_heartbeat"
        AGENT_STATUS_CHANGED = "agent_status_changed"
        MENTION = "mention"

    class Subject(models.TextChoices):
        """The kind of object that an activity concerns. The contract's types are less precise."""

        TASK = "task"
        RUN = "run"
        REVIEW = "review"
        MESSAGE = "message"
        DOCUMENT = "document"
        PROJECT = "project"
        AGENT = "agent"

    # The default subject for each type, unless the action that writes the activity sets another.
    SUBJECTS: ClassVar[dict[str, Subject]] = {
        **dict.fromkeys([Type.MESSAGE_SENT, Type.MENTION], Subject.MESSAGE),
        **dict.fromkeys([Type.DOCUMENT_CREATED, Type.DOCUMENT_UPDATED], Subject.DOCUMENT),
        **dict.fromkeys([Type.AGENT_HEARTBEAT, Type.AGENT_STATUS_CHANGED], Subject.AGENT),
    }

    number = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    type = models.CharField(max_length=24, choices=Type)
    subject = models.CharField(max_length=8, choices=Subject, default=Subject.TASK)
    message = models.CharField(max_length=rules.ACTIVITY_CHARS)
    agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    task = models.ForeignKey(
        Task, null=True, blank=True, on_delete=models.SET_NULL, related_name="activities", db_index=False
    )
    document = models.ForeignKey(Deliverable, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    # Stored beside the task, so that the feed of a project survives the deletion of its tasks.
    project_id = models.UUIDField(null=True, blank=True, db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)
    is_edit = models.BooleanField(
        default=False, editable=False, help_text="Fields of the task, agent or project were edited."
    )
    metadata = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-number"]
        verbose_name_plural = "activity"
        indexes = [
            models.Index(fields=["agent", "-number"], name="activity_agent_newest"),
            models.Index(fields=["task", "-number"], name="activity_task_newest"),
            models.Index(fields=["type", "-number"], name="activity_type_newest"),
        ]

    def __str__(self) -> str:
        return self.message

    @classmethod
    def subject_of(cls, type: str, metadata: dict[str, Any]) -> Subject:
        """Return the subject of an imported activity: from its metadata or, if that names none, from its type."""
        named = (("project", cls.Subject.PROJECT), ("run_id", cls.Subject.RUN), ("review", cls.Subject.REVIEW))
        found = next((subject for name, subject in named if name in metadata), None)
        return found or cls.SUBJECTS.get(type, cls.Subject.TASK)


class Message(models.Model):
    """A message in a task's thread, from an agent or, without one, from a person."""

    class Delivery(models.TextChoices):
        """How a message reaches the agent of a run: while it works, at its next turn, or in a new run."""

        LIVE = "live"
        NEXT_TURN = "next_turn"
        FOLLOW_UP = "follow_up"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="messages")
    from_agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.SET_NULL, related_name="messages"
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    content = models.TextField(max_length=rules.DESCRIPTION_CHARS)
    attachment_ids = models.JSONField(default=list, blank=True)
    mentions = models.JSONField(default=list, blank=True)
    # A message to the agent of an active run: which run, and when that agent got it.
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="messages")
    delivery = models.CharField(max_length=9, choices=Delivery, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    metadata = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["created_at", "id"]
        indexes = [
            models.Index(fields=["task", "created_at"], name="message_thread"),
            models.Index(fields=["created_at", "id"], name="message_oldest"),
        ]

    def __str__(self) -> str:
        return self.content[:80]


class NotificationQuerySet(models.QuerySet["Notification"]):
    """Filters of notifications, which can be combined."""

    def for_people(self) -> Self:
        return self.filter(agent=None)

    def unread(self) -> Self:
        return self.filter(read_at=None)

    def needing_action(self) -> Self:
        """Keep those that ask a person to act; the others are for information only."""
        return self.filter(type__in=Notification.NEEDING_ACTION)

    def count_needing_action(self) -> int:
        """Return how many unread ones ask a person to act: the number in the top bar."""
        return self.for_people().unread().needing_action().count()


class Notification(models.Model):
    """A notification for an agent or, without one, for people.

    new → delivered → read, where delivered can be skipped. Each step happens once, and its first time is kept.
    """

    class Type(models.TextChoices):
        """The types in addition to those of activities."""

        RUN_COMPLETED = "run_completed"
        RUN_FAILED = "run_failed"
        REVIEW_NEEDED = "review_needed"
        HUMAN_TASK = "human_task"
        QUESTION = "question"

    NEEDING_ACTION = (Type.QUESTION, Type.RUN_FAILED, Type.REVIEW_NEEDED, Type.HUMAN_TASK)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Deleted with the agent: without an agent, they would become notifications for people.
    agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.CASCADE, related_name="notifications", db_index=False
    )
    type = models.CharField(max_length=24, choices=[*Activity.Type.choices, *Type.choices])
    content = models.TextField()
    source_message = models.ForeignKey(
        Message, null=True, blank=True, on_delete=models.SET_NULL, related_name="notifications"
    )
    source_task = models.ForeignKey(
        Task, null=True, blank=True, on_delete=models.SET_NULL, related_name="notifications"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "id"]
        indexes = [
            models.Index(fields=["-created_at", "id"], name="notification_newest"),
            models.Index(fields=["agent", "-created_at", "id"], name="notification_agent_newest"),
            models.Index(fields=["delivered_at", "-created_at", "id"], name="notification_undelivered"),
            models.Index(fields=["read_at", "-created_at", "id"], name="notification_unread"),
            models.Index(fields=["delivered_at", "read_at", "-created_at", "id"], name="notification_open"),
            # For the counts: narrow indexes are faster. SQLite would not use a partial index for any of them.
            models.Index(fields=["delivered_at"], name="notification_delivered"),
            models.Index(fields=["read_at"], name="notification_read"),
            models.Index(fields=["agent", "read_at", "delivered_at"], name="notification_agent_open"),
            models.Index(fields=["type", "-created_at", "id"], name="notification_type_newest"),
        ]

    def __str__(self) -> str:
        return self.content

    @property
    def delivered(self) -> bool:
        return self.delivered_at is not None

    @property
    def read(self) -> bool:
        return self.read_at is not None
