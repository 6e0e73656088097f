"""What waits for a person: reviews, failed runs, tasks for people, plans to approve."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.timesince import timesince

from mission_control.actions.permissions import Rights
from mission_control.formatting import seconds_since
from mission_control.models import Project, Run, Task

MINUTE_SECONDS = 60
SHOWN = 8  # of each kind
FOR_PEOPLE = (*Task.NOT_STARTED, Task.Status.IN_PROGRESS)


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that waits for a person. `kind`: review, failed, person, plan."""

    kind: str
    title: str
    task: Task | None = None
    project: Project | None = None
    agent_id: UUID | None = None
    agent_name: str = ""
    since: datetime | None = None
    reason: str = ""

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

    def add(self, found: "QuerySet[Task] | QuerySet[Project]", needs: list[Need]) -> None:
        self.shown += needs
        self.count += len(needs) if len(needs) < SHOWN else found.count()


def needs(user: User | AnonymousUser) -> Needs:
    """Return what waits for a person, as far as the user may see it. At most eight queries, each limited."""
    found = Needs()
    light = Task.objects.select_related("last_run").defer("last_run__output", "last_run__prompt", "description")
    reviews = light.filter(status=Task.Status.REVIEW).order_by("-updated_at", "id")
    found.add(reviews, [_review(task) for task in reviews[:SHOWN]])
    if Rights(user).view_run:
        failed = light.filter(status=Task.Status.BLOCKED, last_run__status=Run.Status.ERROR)
        failed = failed.order_by("-updated_at", "id")
        found.add(failed, [_failed(task) for task in failed[:SHOWN]])
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
