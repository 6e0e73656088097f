"""Runs, their states, and their events."""

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from agents import rules
from agents.models import Agent
from mission_control.models.project import Project
from mission_control.models.quota import account_name
from mission_control.models.task import Task, priority_rank

MODEL_CHARS = 200
MAX_TOKENS = 10**15
MAX_USD = 10**8
SMALLEST_USD = Decimal("1e-10")


class RunStatus(models.TextChoices):
    """A run's states; Run describes the transitions."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    PARKED = "parked"
    COMPLETED = "completed"
    ERROR = "error"
    STOPPED = "stopped"


class EndCause(models.TextChoices):
    """Why a run ended. All consequences of an end depend on this, never on a text.

    The last one is in the API contract but not used yet.
    """

    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"  # by a person or a client
    PAUSED = "paused"  # its project was paused
    INTERRUPTED = "interrupted"  # Mission Control was shut down
    WORKER_LOST = "worker_lost"
    DATABASE_LOST = "database_lost"  # its worker could not reach the database for too long
    TIMEOUT = "timeout"
    IDLE = "idle"
    OUTPUT_LIMIT = "output_limit"
    PROCESS_LIMIT = "process_limit"  # its program had more processes than it may
    DISK_LIMIT = "disk_limit"  # too little of the disk was free
    TOKEN_LIMIT = "token_limit"  # noqa: S105 - no password
    COST_LIMIT = "cost_limit"
    CANCELLED = "cancelled"  # its task was skipped while it waited
    QUOTA = "quota"  # its account's quota was used up, and it could not be parked
    CHECKS_FAILED = "checks_failed"


class ParkedFor(models.TextChoices):
    """What a parked run waits for."""

    QUESTION = "question"  # a person's answer
    QUOTA = "quota"  # the reset of its account's quota


ACTIVE = (RunStatus.WAITING, RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.PARKED)
HOLDING = (RunStatus.QUEUED, RunStatus.RUNNING)
UNCLAIMED = (RunStatus.PARKED, RunStatus.WAITING, RunStatus.QUEUED)  # in the order in which a run passes them
ENDED = (RunStatus.COMPLETED, RunStatus.ERROR, RunStatus.STOPPED)


class RunQuerySet(models.QuerySet["Run"]):
    """Filters by the state of runs, which can be combined."""

    def active(self) -> Self:
        """Keep the runs that have not ended."""
        return self.filter(status__in=ACTIVE)

    def holding(self) -> Self:
        """Keep the runs that hold a slot."""
        return self.filter(status__in=HOLDING)

    def waiting(self) -> Self:
        """Keep the runs that wait for a slot, the next to start first: by task priority, then age."""
        return self.filter(status=RunStatus.WAITING).order_by(priority_rank("task__priority"), "queued_at", "id")

    def parked(self) -> Self:
        """Keep the runs that are parked, the next to continue first: by task priority, then age."""
        return self.filter(status=RunStatus.PARKED).order_by(priority_rank("task__priority"), "queued_at", "id")

    def light(self) -> Self:
        """Do not load the long texts."""
        return self.defer("output", "prompt")


class Run(models.Model):
    """One execution of a task by an agent, or one planning of a project.

    waiting (no slot yet) → queued (holds a slot, its job is not claimed) → running (claimed by a worker)
    → completed | error | stopped. A waiting or queued run can be stopped; a queued one can also fail.
    running → parked (waits for something, without a slot) → waiting, and on as above. A parked run can be stopped.
    Only `runs/admission.py` creates runs, and only `runs/lifecycle.py` and `runs/parking.py` change their status.

    `claim_token` is the claim of the worker that executes the run: every write requires it, so that a worker that
    was declared lost cannot write any more. `lease_renewed_at` is renewed while the worker is alive.
    """

    Status = RunStatus
    EndCause = EndCause
    ACTIVE = ACTIVE
    HOLDING = HOLDING
    UNCLAIMED = UNCLAIMED
    ENDED = ENDED
    ParkedFor = ParkedFor

    class Kind(models.TextChoices):
        TASK = "task"
        PLANNING = "planning"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.TASK)
    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.CASCADE, related_name="runs")
    task = models.ForeignKey(Task, null=True, blank=True, on_delete=models.CASCADE, related_name="runs")
    task_title = models.CharField(max_length=rules.TITLE_CHARS, blank=True)
    agent = models.ForeignKey(Agent, null=True, blank=True, on_delete=models.SET_NULL, related_name="runs")
    agent_name = models.CharField(max_length=rules.NAME_CHARS, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    status = models.CharField(max_length=9, choices=RunStatus)
    slot = models.PositiveSmallIntegerField(null=True, blank=True)
    attempt = models.PositiveIntegerField(default=1, help_text="Attempt number within the task, starting at 1.")
    end_cause = models.CharField(
        max_length=13, choices=EndCause, blank=True, help_text="Empty while the run is active."
    )
    error = models.CharField(max_length=210, blank=True)

    queued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    # The job: when it was last enqueued, and how often.
    enqueued_at = models.DateTimeField(null=True, blank=True)
    enqueue_count = models.PositiveIntegerField(default=0)

    # The claim.
    claim_token = models.UUIDField(null=True, blank=True, editable=False)
    worker = models.CharField(max_length=200, blank=True)
    host = models.CharField(max_length=255, blank=True, help_text="The machine that ran it. Empty until then.")
    declined_hosts = models.JSONField(default=list, editable=False)  # machines that lack what its agent needs
    lease_renewed_at = models.DateTimeField(null=True, blank=True)

    # The stop: when it was requested, and why. Cause and reason become the run's end cause and error text.
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    stop_cause = models.CharField(max_length=13, choices=EndCause, blank=True)
    stop_reason = models.CharField(max_length=200, blank=True)

    # Parked: how often it was, what for, and when it continues by itself, null if that is unknown.
    parkings = models.PositiveIntegerField(default=0, editable=False)
    parked_for = models.CharField(
        max_length=8, choices=ParkedFor, blank=True, help_text="What a parked run waits for."
    )
    resumes_at = models.DateTimeField(null=True, blank=True, help_text="When a parked run continues by itself.")
    # The account whose quota was used up when it was parked last; and whether it continues although the quota may
    # still be used up, to find out.
    quota_account = models.CharField(max_length=200, blank=True, editable=False)
    tests_quota = models.BooleanField(default=False, editable=False)

    request = models.JSONField(default=dict, blank=True, help_text="What the planning was requested for.")
    session_id = models.CharField(
        max_length=200, blank=True, help_text="The backend's own ID of the conversation."
    )
    # A continued conversation: what was written to the agent, and the run that it follows.
    follow_up = models.TextField(max_length=rules.DESCRIPTION_CHARS, blank=True)
    previous_run = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    last_seq = models.PositiveIntegerField(default=0)
    prompt = models.TextField(blank=True)
    output = models.TextField(blank=True)

    # The usage. Null, or an empty model, means unknown, not zero.
    model = models.CharField(max_length=MODEL_CHARS, blank=True)
    input_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    output_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    cost_usd = models.DecimalField(max_digits=19, decimal_places=10, null=True, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-queued_at", "id"]
        indexes = [
            models.Index(fields=["-queued_at", "id"], name="run_newest"),
            models.Index(fields=["task", "-queued_at"], name="run_task_newest"),
            models.Index(fields=["agent", "-queued_at"], name="run_agent_newest"),
            # Not partial: SQLite uses a partial index only if the query contains its condition literally.
            models.Index(fields=["status", "-queued_at", "id"], name="run_status_newest"),
            # Without it SQLite scans all of an agent's runs to find the current ones.
            models.Index(fields=["agent", "status"], name="run_agent_status"),
            models.Index(fields=["kind", "-queued_at", "id"], name="run_kind_newest"),
            # All columns of the sums of usage: reading a million rows with their long texts would take minutes.
            models.Index(
                fields=[
                    *("finished_at", "started_at", "agent", "project", "task", "model"),
                    *("input_tokens", "output_tokens", "cost_usd"),
                ],
                name="run_usage",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["slot"], condition=Q(status__in=HOLDING), name="one_run_a_slot"),
            models.UniqueConstraint(fields=["task"], condition=Q(status__in=ACTIVE), name="one_active_run_a_task"),
            models.UniqueConstraint(
                fields=["project"],
                condition=Q(kind="planning", status__in=ACTIVE),
                name="one_active_planning_a_project",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=HOLDING) | Q(slot__gte=1, slot__isnull=False),
                name="holding_run_has_a_slot",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=(RunStatus.WAITING, RunStatus.PARKED)) | Q(slot__isnull=True),
                name="waiting_run_has_no_slot",
            ),
            models.CheckConstraint(
                condition=Q(status=RunStatus.PARKED) ^ Q(parked_for=""), name="parked_run_says_for_what"
            ),
            models.CheckConstraint(
                condition=~Q(status=RunStatus.RUNNING) | Q(claim_token__isnull=False, started_at__isnull=False),
                name="running_run_is_claimed",
            ),
            models.CheckConstraint(
                condition=Q(status__in=ENDED, finished_at__isnull=False)
                | Q(status__in=ACTIVE, finished_at__isnull=True),
                name="ended_run_says_when",
            ),
            models.CheckConstraint(
                condition=Q(kind="task", task__isnull=False) | Q(kind="planning", task__isnull=True),
                name="task_run_has_a_task",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task_title or self.kind} by {self.agent_name}"

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    @property
    def reported_end_cause(self) -> str | None:
        """Return the end cause as the API reports it; None while the run is active."""
        is_database = self.end_cause == EndCause.DATABASE_LOST
        return EndCause.WORKER_LOST.value if is_database else self.end_cause or None

    @property
    def quota_name(self) -> str:
        """Return the name of the account whose quota it waits for."""
        return account_name(self.quota_account)

    @property
    def reported_parking(self) -> str | None:
        """Return what it is parked for as the API reports it; None if it is not parked."""
        return self.parked_for or None

    @property
    def duration_seconds(self) -> float | None:
        """Seconds from its start to its end; null until it has ended, or if it never started."""
        if self.started_at is None or self.finished_at is None:
            return None
        return round((self.finished_at - self.started_at).total_seconds(), 3)

    @property
    def usage(self) -> dict[str, Any]:
        """The run's usage as the API reports it: None for unknown values."""
        return {
            "model": self.model or None,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost_usd": None if self.cost_usd is None else float(self.cost_usd),
        }

    @property
    def live_usage(self) -> dict[str, Any] | None:
        """The usage so far of a run that is running; None for any other, and if nothing is known."""
        usage = self.usage if self.status == RunStatus.RUNNING else {}
        return usage if any(value is not None for value in usage.values()) else None


def usage_columns(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a usage. An invalid amount becomes unknown."""
    cost = _amount(usage.get("cost_usd"), most=MAX_USD)
    return {
        "model": str(usage.get("model") or "")[:MODEL_CHARS],
        "input_tokens": _whole(usage.get("input_tokens")),
        "output_tokens": _whole(usage.get("output_tokens")),
        "cost_usd": None if cost is None else Decimal(str(cost)).quantize(SMALLEST_USD),
    }


def _whole(value: Any) -> int | None:
    amount = _amount(value, most=MAX_TOKENS)
    return None if amount is None else int(amount)


def _amount(value: Any, *, most: float) -> float | None:
    """Return a number from 0 to `most`; None for anything else, such as NaN, which a backend may report."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= most else None


class RunEvent(models.Model):
    """One numbered entry of a run's log: `seq` starts at 1 without gaps (a trigger refuses them).

    Only `runs/events.py` writes events; they are never changed.
    """

    class Type(models.TextChoices):
        STATUS = "status"
        MESSAGE = "message"
        THINKING = "thinking"
        TOOL_USE = "tool_use"
        TOOL_RESULT = "tool_result"
        INPUT = "input"  # a message from a person to the agent

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events", db_index=False)
    seq = models.PositiveIntegerField()
    type = models.CharField(max_length=11, choices=Type)
    content = models.TextField(blank=True)
    timestamp = models.DateTimeField()
    metadata = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["run", "seq"]
        constraints = [
            models.UniqueConstraint(fields=["run", "seq"], name="run_event_once"),
            models.CheckConstraint(condition=Q(seq__gte=1), name="run_event_from_1"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}#{self.seq} {self.type}"
