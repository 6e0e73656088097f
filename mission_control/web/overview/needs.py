"""What waits for a person: questions, reviews, failed runs, used-up quotas, tasks for people, plans to approve."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count, Exists, F, OuterRef, QuerySet, Subquery
from django.utils import timezone
from django.utils.timesince import timesince

from mission_control.actions.permissions import Rights
from mission_control.formatting import seconds_since
from mission_control.models import Project, Question, QuotaGate, Run, Task
from mission_control.web.question.cards import QuestionCard, open_cards

MINUTE_SECONDS = 60
SHOWN = 8  # of each kind
LONG_WAIT = timedelta(minutes=15)  # for a shorter one nobody has to do anything
FOR_PEOPLE = (*Task.NOT_STARTED, Task.Status.IN_PROGRESS)


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that waits for a person. `kind`: question, review, failed, quota, person, plan.

    One of the kind `quota` stands for all runs that wait for the account; `run` is the first of them.
    """

    kind: str
    title: str
    task: Task | None = None
    project: Project | None = None
    agent_id: UUID | None = None
    agent_name: str = ""
    since: datetime | None = None
    reason: str = ""
    run: Run | None = None
    waiting: int = 0
    card: QuestionCard | None = None

    @property
    def ago(self) -> str:
        if self.since is None:
            return ""
        return f"{timesince(self.since)} ago" if seconds_since(self.since) >= MINUTE_SECONDS else "just now"


@dataclass(slots=True)
class Needs:
    """The entries that are shown, and the total number."""

    shown: list[Need] = field(default_factory=list)
    count: int = 0

    def add(self, found: QuerySet[Any], needs: list[Need]) -> None:
        self.shown += needs
        self.count += len(needs) if len(needs) < SHOWN else found.count()


def needs(user: User | AnonymousUser) -> Needs:
    """Return what waits for a person, as far as the user may see it. At most thirteen queries, each limited."""
    found = Needs()
    if Rights(user).view_run:
        asked = Question.objects.open()
        shown = open_cards(asked, Rights(user))[:SHOWN]
        found.add(asked, [Need("question", card.line, card.question.task, card=card) for card in shown])
    light = Task.objects.select_related("last_run").defer("last_run__output", "last_run__prompt", "description")
    reviews = light.filter(status=Task.Status.REVIEW).order_by("-updated_at", "id")
    found.add(reviews, [_review(task) for task in reviews[:SHOWN]])
    if Rights(user).view_run:
        failed = light.filter(status=Task.Status.BLOCKED, last_run__status=Run.Status.ERROR)
        failed = failed.order_by("-updated_at", "id")
        found.add(failed, [_failed(task) for task in failed[:SHOWN]])
        gates = _gates()
        found.add(gates, _quotas(gates))
    blockers = Task.objects.unresolved().filter(blocks=OuterRef("pk"))
    people = light.exclude(task_type=Task.Type.AGENT).filter(~Exists(blockers), status__in=FOR_PEOPLE)
    people = people.order_by("-updated_at", "id")
    found.add(people, [Need("person", task.title, task) for task in people[:SHOWN]])
    if Rights(user).view_project:
        plans = Project.objects.filter(status=Project.Status.AWAITING_APPROVAL).order_by("-updated_at", "id")
        found.add(plans, [Need("plan", plan.title, project=plan, since=plan.updated_at) for plan in plans[:SHOWN]])
    return found


def _review(task: Task) -> Need:
    run = task.last_run
    return Need("review", task.title, task, agent_name=run.agent_name if run else "", since=task.updated_at)


def _gates() -> "QuerySet[QuotaGate]":
    """Return the accounts whose runs wait for a long time, each with its `first_run` and the number `waiting`."""
    parked = Run.objects.parked().filter(
        parked_for=Run.ParkedFor.QUOTA, quota_account=OuterRef("account"), task__isnull=False
    )
    number = parked.order_by().values("quota_account").annotate(number=Count("pk")).values("number")
    return (
        QuotaGate.objects.filter(closed_until__gte=F("closed_since") + LONG_WAIT)
        .annotate(first_run=Subquery(parked.values("pk")[:1]), waiting=Subquery(number))
        .filter(first_run__isnull=False)
    )


def _quotas(gates: "QuerySet[QuotaGate]") -> list[Need]:
    shown = list(gates[:SHOWN])
    if not shown:
        return []
    runs = Run.objects.light().select_related("task").in_bulk([vars(gate)["first_run"] for gate in shown])
    return [
        Need("quota", run.task_title, run.task, run=run, waiting=vars(gate)["waiting"])
        for gate in shown
        if (run := runs.get(vars(gate)["first_run"]))
    ]


def _failed(task: Task) -> Need:
    run = task.last_run
    assert run is not None, "filtered by it"
    return Need(
        "failed",
        task.title,
        task,
        agent_id=run.agent_id,
        agent_name=run.agent_name,
        since=run.finished_at or timezone.now(),
        reason=run.error,
    )
