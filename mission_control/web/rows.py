"""What the page shows of tasks: rows with what may be done, and the pane of the one that is open."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Prefetch, QuerySet
from django.db.models.functions import Left, Length
from django.db.models.lookups import GreaterThan
from django.utils import timezone

from agents.models import Agent
from mission_control.models import Assignment, Deliverable, Run, Task
from mission_control.runs.errors import LimitReached, Refusal, TaskBlocked
from mission_control.web.output import Output, tail

SHOWN_ATTEMPTS = 10
SHOWN_DELIVERABLE_CHARS = 300_000


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the user may do, beside seeing tasks: read runs and their output, run, stop."""

    read: bool
    run: bool
    stop: bool

    @classmethod
    def to(cls, user: User | AnonymousUser) -> Self:
        return cls(
            read=user.has_perm("mission_control.view_run"),
            run=user.has_perm("mission_control.add_run"),
            stop=user.has_perm("mission_control.change_run"),
        )


@dataclass(frozen=True, slots=True)
class Notice:
    """What was refused, and the next step."""

    title: str
    text: str = ""
    tasks: list[Task] = field(default_factory=list)
    status: str = "warn"

    @classmethod
    def of(cls, refusal: Refusal) -> Self:
        if isinstance(refusal, LimitReached):
            return cls(refusal.detail, "Queue it instead: it starts by itself when a slot is free.", [], "waiting")
        if isinstance(refusal, TaskBlocked):
            blockers = Task.objects.filter(pk__in=refusal.body["blocked_by"]).only("title")
            return cls(refusal.detail, "To be done first:", list(blockers[:5]), "blocked")
        return cls(refusal.detail)

    def __str__(self) -> str:
        titles = ", ".join(task.title for task in self.tasks)
        return " ".join(filter(None, [f"{self.title.rstrip('.')}.", self.text, titles]))


@dataclass(slots=True)
class Row:
    """One task with its newest run, whom it may be given to, and what stands in the way of a run."""

    task: Task
    allowed: Allowed
    any_agent: bool
    notice: Notice | None = None

    @property
    def run(self) -> Run | None:
        """Return the newest run, None also for a user who may not read runs."""
        return self.task.last_run if self.allowed.read else None

    @property
    def active(self) -> bool:
        return self.task.last_run is not None and self.task.last_run.is_active

    @property
    def status_word(self) -> str:
        return self.task.status.replace("_", " ").capitalize()

    @property
    def assignees(self) -> list[Agent]:
        return [assignment.agent for assignment in self.task.assignments.all()]

    @property
    def blockers(self) -> list[Task]:
        return self.task.unfinished

    @property
    def obstacle(self) -> str:
        """Name what would have a run refused with slots free: person, review, blocked, no_agent, or nothing."""
        if self.task.task_type != Task.Type.AGENT:
            return "person" if self.task.task_type == Task.Type.HUMAN else "review"
        if self.blockers:
            return "blocked"
        return "" if self.any_agent else "no_agent"

    @property
    def elapsed_seconds(self) -> float | None:
        """Return for how long the active run has worked, or waited while it has not begun."""
        run = self.task.last_run
        return None if run is None or not run.is_active else seconds_since(run.started_at or run.queued_at)

    @property
    def elapsed(self) -> str:
        return clock(self.elapsed_seconds)

    @property
    def duration(self) -> str:
        run = self.task.last_run
        return clock(None if run is None else run.duration_seconds)


@dataclass(frozen=True, slots=True)
class Pane:
    """The open task: the attempt that is shown, the others, and what was handed in."""

    row: Row
    run: Run | None
    attempts: list[Run]
    output: Output
    deliverable: Deliverable | None
    upto: int | None

    @property
    def follows(self) -> bool:
        """Tell whether the pane shows what is newest, so that live output belongs into it."""
        return self.upto is None and (self.run is None or self.run.pk == self.row.task.last_run_id)


def shown_tasks() -> QuerySet[Task]:
    """Return tasks, newest first, with all that rows show of them: four queries however many they are."""
    unfinished = Task.objects.unresolved().order_by("created_at", "id").only("id", "title")
    waits_for: Prefetch[Any] = Prefetch("blocked_by", unfinished, to_attr="unfinished")
    return (
        Task.objects.select_related("project", "last_run")
        .defer("last_run__output", "last_run__prompt", "project__description")
        .prefetch_related(
            Prefetch("assignments", Assignment.objects.select_related("agent")),
            waits_for,
        )
    )


def rows(tasks: Iterable[Task], allowed: Allowed, *, any_agent: bool) -> list[Row]:
    """Return a row for each task."""
    return [Row(task, allowed, any_agent) for task in tasks]


def pane(row: Row, *, run_id: uuid.UUID | None = None, upto: int | None = None, with_output: bool = True) -> Pane:
    """Return the pane of a task: its newest attempt, or the one asked for. Unknown ones count as the newest."""
    if not row.allowed.read:
        return Pane(row, None, [], Output(), None, None)
    attempts = list(Run.objects.light().filter(task=row.task).order_by("-queued_at", "id")[:SHOWN_ATTEMPTS])
    by_id: dict[uuid.UUID | None, Run] = {run.pk: run for run in attempts}
    run = by_id.get(run_id) or by_id.get(row.task.last_run_id)
    output = tail(run.pk, run.agent_name, upto=upto) if run and with_output else Output()
    return Pane(row, run, attempts, output, deliverable_of(row.task), upto)


def deliverable_of(task: Task) -> Deliverable | None:
    """Return what the task's runs handed in, its newest version; `shown` is its content, cut when `is_cut`."""
    handed_in = Deliverable.objects.filter(task=task, run__isnull=False).defer("content")
    cut = handed_in.annotate(
        shown=Left("content", SHOWN_DELIVERABLE_CHARS),
        is_cut=GreaterThan(Length("content"), SHOWN_DELIVERABLE_CHARS),
    )
    return cut.order_by("created_at").first()


def seconds_since(moment: datetime) -> float:
    """Return the seconds since a moment; 0 for one to come."""
    return max((timezone.now() - moment).total_seconds(), 0.0)


def clock(seconds: float | None) -> str:
    """Write a duration as mm:ss, from an hour on as h:mm:ss; nothing for None."""
    if seconds is None:
        return ""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"
