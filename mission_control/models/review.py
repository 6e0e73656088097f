"""Reviews of tasks' results by people."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from agents import rules
from mission_control.models.run import Run
from mission_control.models.task import Task


class Review(models.Model):
    """One round of review of a task: open → approved | changes_requested.

    A task has at most one open review, while its status is `review`. Decided reviews are kept as a record.
    """

    class Status(models.TextChoices):
        OPEN = "open"
        APPROVED = "approved"
        CHANGES_REQUESTED = "changes_requested"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="reviews")
    run = models.ForeignKey(
        Run,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The run whose result is under review.",
    )
    round = models.PositiveIntegerField(default=1, help_text="Review round within the task, starting at 1.")
    status = models.CharField(max_length=17, choices=Status, default=Status.OPEN)
    reason = models.CharField(
        max_length=400, blank=True, help_text="Why the task was sent to review automatically."
    )
    feedback = models.TextField(max_length=rules.DESCRIPTION_CHARS, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    opened_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    reminded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-opened_at", "id"]
        indexes = [
            models.Index(fields=["-opened_at", "id"], name="review_newest"),
            models.Index(fields=["status", "opened_at"], name="review_status"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["task"], condition=Q(status="open"), name="one_open_review_a_task"),
            models.CheckConstraint(
                condition=Q(status="open", decided_at__isnull=True)
                | (~Q(status="open") & Q(decided_at__isnull=False)),
                name="decided_review_says_when",
            ),
        ]

    def __str__(self) -> str:
        return f"Review {self.round} of {self.task_id}: {self.status}"
