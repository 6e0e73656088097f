"""Tasks, and who is assigned to them in which order."""

import uuid
from datetime import UTC, date, datetime, time
from typing import Self

from django.db import models
from django.db.models import Case, IntegerField, Q, Value, When
from django.db.models.functions import Coalesce
from django.utils.functional import cached_property

from agents import rules
from agents.models import Agent
from mission_control.models.project import Project
from mission_control.models.retry import retry_policy

# A card nobody placed stands on the board by its task's last change, the newest on top. One that was placed stands
# as if that change had been in another moment, and for that moment in another place among those of the same.
RANK_AT = Coalesce("placed_at", "updated_at")
RANK_TIE = Coalesce("placed_as", "id")
CLEARED_RANK = {"placed_at": None, "placed_as": None}  # goes with each change of a status


class TaskQuerySet(models.QuerySet["Task"]):
    """Tasks by what they are, to be combined."""

    def unresolved(self) -> Self:
        """Keep the tasks that still hold back those that depend on them."""
        return self.exclude(status__in=[Task.Status.DONE, Task.Status.SKIPPED])

    def by_rank(self) -> Self:
        """Sort as a column of the board does; each has its place in `rank_at` and `rank_tie`."""
        placed = self.annotate(rank_at=RANK_AT, rank_tie=RANK_TIE)
        return placed.order_by(RANK_AT.desc(), RANK_TIE.asc(), "id")


class Task(models.Model):
    """A work item.

    inbox → assigned → in_progress → review | done | blocked; skipped is set aside for good. A task reads
    in_progress exactly while a run of it holds a slot, or when a person said so.
    """

    class Status(models.TextChoices):
        INBOX = "inbox"
        ASSIGNED = "assigned"
        IN_PROGRESS = "in_progress"
        REVIEW = "review"
        DONE = "done"
        BLOCKED = "blocked"
        SKIPPED = "skipped"

    class Priority(models.TextChoices):
        LOW = "low"
        MEDIUM = "medium"
        HIGH = "high"
        URGENT = "urgent"

    class Type(models.TextChoices):
        AGENT = "agent"
        HUMAN = "human"
        REVIEW = "review"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    title = models.CharField(max_length=rules.TITLE_CHARS, validators=[rules.not_blank])
    description = models.TextField(max_length=rules.DESCRIPTION_CHARS, blank=True)
    status = models.CharField(max_length=12, choices=Status, default=Status.INBOX)
    priority = models.CharField(max_length=6, choices=Priority, default=Priority.MEDIUM)
    task_type = models.CharField(max_length=6, choices=Type, default=Type.AGENT)
    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.CASCADE, related_name="tasks")
    assignees = models.ManyToManyField(Agent, through="Assignment", blank=True, related_name="tasks")
    blocked_by = models.ManyToManyField("self", symmetrical=False, blank=True, related_name="blocks")
    parent_task = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="subtasks"
    )
    creator_id = models.CharField(max_length=36, null=True, blank=True)  # noqa: DJ001 - the contract says null
    # The newest run. A task has one active run at most, so this is it while there is one.
    last_run = models.ForeignKey(
        "mission_control.Run", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    active_description = models.CharField(max_length=rules.ACTIVE_DESCRIPTION_CHARS, blank=True)
    estimated_minutes = models.PositiveIntegerField(null=True, blank=True)
    tags = models.JSONField(default=list, blank=True, validators=[rules.TagList()])
    due_date = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    # What the scheduler notes: when people were told of it, how often in a row its runs failed, when to try again.
    announced_at = models.DateTimeField(null=True, blank=True, editable=False)
    failed_attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    retry_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Where a person placed it in its column of the board.
    placed_at = models.DateTimeField(null=True, blank=True, editable=False)
    placed_as = models.UUIDField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[rules.json_object, retry_policy])

    objects = TaskQuerySet.as_manager()

    unfinished: list["Task"]  # those it waits for, where the page has read them with it
    rank_at: datetime  # where the query was sorted `as_placed`
    rank_tie: uuid.UUID

    class Meta:
        ordering = ["-updated_at", "id"]
        indexes = [
            models.Index(fields=["-updated_at", "id"], name="task_newest"),
            models.Index(fields=["status", "-updated_at"], name="task_status_newest"),
            models.Index(fields=["project", "-updated_at"], name="task_project_newest"),
            models.Index(fields=["status", "completed_at"], name="task_status_completed"),
            models.Index(fields=["task_type", "-updated_at", "id"], name="task_type_newest"),
            models.Index(fields=["created_at", "id"], name="task_oldest"),
            models.Index(fields=["due_date", "id"], name="task_due"),
            models.Index(fields=["title", "id"], name="task_title"),
            models.Index("status", RANK_AT.desc(), RANK_TIE, "id", name="task_placed"),
            models.Index(fields=["retry_at"], name="task_retry", condition=Q(retry_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.title

    # Read once for each instance, from what was prefetched where it was; whoever made the task sets them.
    @cached_property
    def assignee_ids(self) -> list[uuid.UUID]:
        """The agents' ids in the order in which they were given; clients run the first."""
        return [assignment.agent_id for assignment in self.assignments.all()]

    @cached_property
    def blocker_ids(self) -> list[uuid.UUID]:
        """The ids of the tasks that it waits for; oldest first where the API reads them."""
        return [blocker.pk for blocker in self.blocked_by.all()]

    @cached_property
    def blocked_ids(self) -> list[uuid.UUID]:
        """The ids of the tasks that wait for it; oldest first where the API reads them."""
        return [blocked.pk for blocked in self.blocks.all()]

    @property
    def due_day(self) -> date | None:
        """The day on which it is due: the same for every reader, in whatever time zone."""
        return None if self.due_date is None else self.due_date.astimezone(UTC).date()

    def unresolved_blockers(self) -> list[uuid.UUID]:
        return list(self.blocked_by.unresolved().order_by("created_at", "id").values_list("pk", flat=True))


def due_at(day: date) -> datetime:
    """Return what `due_date` stores of a day: its noon in UTC, which is on that day nearly everywhere."""
    return datetime.combine(day, time(12), UTC)


PRIORITY_RANK = {"urgent": 0, "high": 1, "medium": 2, "low": 3}


def priority_rank(field: str = "priority") -> Case:
    """Return an expression that sorts urgent first; no priority counts as medium."""
    return Case(
        *(When(**{field: name}, then=Value(rank)) for name, rank in PRIORITY_RANK.items()),
        default=Value(PRIORITY_RANK["medium"]),
        output_field=IntegerField(),
    )


class Assignment(models.Model):
    """One agent on one task, at its place in the order."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="assignments")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="assignments")
    place = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["place", "id"]
        constraints = [
            models.UniqueConstraint(fields=["task", "agent"], name="agent_assigned_once"),
            models.CheckConstraint(condition=Q(place__gte=0), name="assignment_place_from_0"),
        ]

    def __str__(self) -> str:
        return f"{self.agent_id} on {self.task_id}"
