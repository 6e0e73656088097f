"""Questions of agents to people, and tool calls that people approve."""

import uuid
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from agents import rules
from agents.models import Agent
from mission_control.models.project import Project
from mission_control.models.run import Run
from mission_control.models.task import Task

KEY_CHARS = 200


class QuestionQuerySet(models.QuerySet["Question"]):
    """Filters by the state of questions, which can be combined."""

    def open(self) -> Self:
        return self.filter(status=Question.Status.OPEN)


class Question(models.Model):
    """A question of an agent, or a tool call that needs approval: open → answered | expired | cancelled.

    Only `runs/questions.py` writes questions. `answer` is {"choice": id}, {"text": "…"} or {"decision": "allow" |
    "allow_for_run" | "deny", "reason": "…"}; null while there is none. It is cancelled when its run ends.
    """

    class Kind(models.TextChoices):
        QUESTION = "question"
        APPROVAL = "approval"

    class Status(models.TextChoices):
        OPEN = "open"
        ANSWERED = "answered"
        EXPIRED = "expired"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="questions")
    task = models.ForeignKey(Task, null=True, blank=True, on_delete=models.CASCADE, related_name="questions")
    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    agent = models.ForeignKey(Agent, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.QUESTION)
    text = models.TextField(max_length=rules.DESCRIPTION_CHARS)
    options = models.JSONField(default=list, blank=True)  # [{"id": "…", "label": "…"}]
    tool = models.JSONField(null=True, blank=True)  # {"name": "…", "input": {…}} of an approval
    default = models.TextField(blank=True, help_text="Taken as the answer at `expires_at`. Empty: the run fails.")
    key = models.CharField(max_length=KEY_CHARS, blank=True, editable=False)  # within the agent's conversation
    expires_at = models.DateTimeField()
    status = models.CharField(max_length=9, choices=Status, default=Status.OPEN)
    answer = models.JSONField(null=True, blank=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    answered_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True, editable=False)  # when the agent got the answer
    created_at = models.DateTimeField(auto_now_add=True)

    objects = QuestionQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "id"]
        default_permissions = ()  # those who may see its run see it, those who may change its run answer it
        indexes = [
            models.Index(fields=["-created_at", "id"], name="question_newest"),
            models.Index(fields=["status", "-created_at", "id"], name="question_status_newest"),
            models.Index(fields=["status", "expires_at"], name="question_expiry"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="answered", answer__isnull=False, answered_at__isnull=False)
                | ~Q(status="answered"),
                name="answered_question_has_an_answer",
            ),
            models.CheckConstraint(
                condition=Q(kind="question", tool__isnull=True) | Q(kind="approval", tool__isnull=False),
                name="approval_has_a_tool",
            ),
        ]

    def __str__(self) -> str:
        return self.text[:80] or self.tool_name

    @property
    def tool_name(self) -> str:
        """Return the name of the tool to approve; empty for a question."""
        return str(self.tool.get("name", "")) if isinstance(self.tool, dict) else ""


class Conversation(models.Model):
    """The conversation of a run, for backends that keep none themselves: what the backend needs to continue it."""

    run = models.OneToOneField(Run, primary_key=True, on_delete=models.CASCADE, related_name="conversation")
    state = models.JSONField()
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.run_id)
