"""Tasks and their assignments."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from operator import itemgetter
from typing import Any, Self

from django.db import models
from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce
from django.utils.functional import cached_property

from agents import rules
from agents.models import Agent
from mission_control.compat.django_models import PreparedValues, loading
from mission_control.models.project import Project
from mission_control.models.retry import retry_policy

# A card is ranked by its task's last change, newest first. A card that was moved by hand is ranked as if its task
# had changed at `placed_at`, with `placed_as` to break ties.
RANK_AT = Coalesce("placed_at", "updated_at")
RANK_TIE = Coalesce("placed_as", "id")
CLEARED_RANK = {"placed_at": None, "placed_as": None}  # written on every change of status


class TaskQuerySet(models.QuerySet["Task"]):
    """Filters by the state of tasks, which can be combined."""

    def unresolved(self) -> Self:
        """Keep the tasks that still block those that depend on them."""
        return self.exclude(status__in=Task.RESOLVED)

    def not_started(self) -> Self:
        """Keep the tasks that are in the inbox or assigned."""
        return self.filter(status__in=Task.NOT_STARTED)

    def by_rank(self) -> Self:
        """Sort by rank, as a column of the board does; annotates `rank_at` and `rank_tie`."""
        ranked = self.annotate(rank_at=RANK_AT, rank_tie=RANK_TIE)
        return ranked.order_by(RANK_AT.desc(), RANK_TIE.asc(), "id")

    def with_links(self) -> Self:
        """Load `assignee_ids`, `blocker_ids` and `blocked_ids` with the tasks, in two queries."""
        return loading(self, load_links)


class Task(models.Model):
    """A work item.

    inbox → assigned → in_progress → review | done | blocked; skipped tasks are never done. A task is in_progress
    exactly while one of its runs holds a slot, or if a user has set this status.
    """

    class Status(models.TextChoices):
        INBOX = "inbox"
        ASSIGNED = "assigned"
        IN_PROGRESS = "in_progress"
        REVIEW = "review"
        DONE = "done"
        BLOCKED = "blocked"
        SKIPPED = "skipped"

    NOT_STARTED = (Status.INBOX, Status.ASSIGNED)
    RESOLVED = (Status.DONE, Status.SKIPPED)  # such a task blocks no other

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
    # The newest run. A task has at most one active run, which is always this one.
    last_run = models.ForeignKey(
        "mission_control.Run", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    active_description = models.CharField(max_length=rules.ACTIVE_DESCRIPTION_CHARS, blank=True)
    estimated_minutes = models.PositiveIntegerField(null=True, blank=True)
    tags = models.JSONField(default=list, blank=True, validators=[rules.TagList()])
    due_date = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    # The scheduler's fields: when people were notified, the number of consecutive failures, the time of the next
    # retry.
    announced_at = models.DateTimeField(null=True, blank=True, editable=False)
    failed_attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    retry_at = models.DateTimeField(null=True, blank=True, editable=False)
    # The card's rank in its column of the board, set when a user moves it.
    placed_at = models.DateTimeField(null=True, blank=True, editable=False)
    placed_as = models.UUIDField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[rules.json_object, retry_policy])

    objects = TaskQuerySet.as_manager()

    unfinished: list["Task"]  # its unresolved blockers, if the page has loaded them
    rank_at: datetime  # set by `by_rank`
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

    # Loaded once per instance, or for all at once by `with_links`; `actions.tasks.create` sets them.
    @cached_property
    def assignee_ids(self) -> list[uuid.UUID]:
        """The ids of the assigned agents in their order; clients run the first."""
        return [assignment.agent_id for assignment in self.assignments.all()]

    @cached_property
    def blocker_ids(self) -> list[uuid.UUID]:
        """The ids of the tasks that block it; oldest first if `with_links` loads them."""
        return [blocker.pk for blocker in self.blocked_by.all()]

    @cached_property
    def blocked_ids(self) -> list[uuid.UUID]:
        """The ids of the tasks that it blocks; oldest first if `with_links` loads them."""
        return [blocked.pk for blocked in self.blocks.all()]

    @property
    def is_resolved(self) -> bool:
        return self.status in self.RESOLVED

    @property
    def is_skippable(self) -> bool:
        return not self.is_resolved and self.status != self.Status.IN_PROGRESS

    @property
    def due_day(self) -> date | None:
        """The day on which it is due, the same in every time zone."""
        return None if self.due_date is None else self.due_date.astimezone(UTC).date()

    def unresolved_blockers(self) -> list[uuid.UUID]:
        return list(self.blocked_by.unresolved().order_by("created_at", "id").values_list("pk", flat=True))


def due_at(day: date) -> datetime:
    """Return the value of `due_date` for a day: its noon in UTC, which is on the same day almost everywhere."""
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
    """One agent assigned to one task, with its position in the order."""

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


def load_links(tasks: Iterable[Task]) -> None:
    """Set the ids of the assignees, blockers and blocked tasks of all these tasks, in two queries.

    Reads only values: for a list of 100 tasks, instances would be most of the work.
    """
    by_id = {task.pk: task for task in tasks}
    for task in by_id.values():
        task.assignee_ids, task.blocker_ids, task.blocked_ids = [], [], []
    for key, agent in ASSIGNED.of([*by_id]):
        by_id[key].assignee_ids.append(agent)
    pairs = LINKED.of([*by_id])
    for blocked, blocker, *_ in sorted(pairs, key=itemgetter(3, 1)):
        if blocked in by_id:
            by_id[blocked].blocker_ids.append(blocker)
    for blocked, blocker, *_ in sorted(pairs, key=itemgetter(2, 0)):
        if blocker in by_id:
            by_id[blocker].blocked_ids.append(blocked)


def _assigned(tasks: Sequence[uuid.UUID]) -> QuerySet[Assignment, Any]:
    rows = Assignment.objects.filter(task__pk__any_of=tasks).order_by("place", "id")
    return rows.values_list("task_id", "agent_id")


def _linked(tasks: Sequence[uuid.UUID]) -> QuerySet[Any, Any]:
    links = Task.blocked_by.through.objects.filter(Q(from_task__pk__any_of=tasks) | Q(to_task__pk__any_of=tasks))
    return links.values_list("from_task_id", "to_task_id", "from_task__created_at", "to_task__created_at")


ASSIGNED, LINKED = PreparedValues(_assigned), PreparedValues(_linked)
