"""Executing projects go on by themselves: what is due gets a run, people hear of their tasks, reviews are opened.

Decided in the database and safe to run anywhere, by any number at once: a task is claimed by a conditional update,
in the transaction that also locks its project's row, requires it to be executing, and looks at the task once more.
"""

import uuid
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, UUIDField
from django.utils import timezone

from agents.models import Agent
from mission_control.actions import notifications, projects, reviews
from mission_control.actions.activity import note_project
from mission_control.errors import Refusal
from mission_control.models import Assignment, Capacity, Notification, Project, Run, Task
from mission_control.models.task import PRIORITY_RANK, priority_rank
from mission_control.runs.admission import admit_due
from mission_control.runs.lifecycle import promote
from mission_control.runs.project_completion import complete_if_resolved
from mission_control.runs.slots import waiting_queue
from mission_control.scheduling.waiting_reasons import GIVEN_BACK, OPEN

MOST_A_LOOK = 100  # tasks; what is left has the next trigger, at the latest the next sweep
PLANNING_PATIENCE = timedelta(minutes=1)
HAS_ACTIVE_RUN = Q(last_run__status__in=Run.ACTIVE)
# Whoever stops a run that waits does not want it to come back: the task stays as it was until it is run by hand.
STOPPED_IN_LINE = Q(last_run__status=Run.Status.STOPPED, last_run__slot__isnull=True) & ~Q(
    last_run__end_cause__in=GIVEN_BACK
)


class NotDue(Exception):
    """Somebody else has taken the task, or what it depends on has changed, since it was looked at."""


class LineIsLong(Exception):
    """As many runs of the project as there are slots would start before this one: others have their turn."""


def unblocked() -> QuerySet[Task]:
    """Return the tasks of executing projects that nobody has begun and that wait for no other task."""
    blockers = Task.objects.unresolved().filter(blocks=OuterRef("pk"))
    executing = Q(project__status=Project.Status.EXECUTING)
    return Task.objects.filter(~Exists(blockers), executing, status__in=OPEN)


def due() -> QuerySet[Task]:
    """Return the tasks that are to be run now, each with its `first_agent`: by priority, then age."""
    first = Assignment.objects.filter(task=OuterRef("pk")).order_by("place", "id").values("agent_id")[:1]
    in_time = Q(retry_at__isnull=True) | Q(retry_at__lte=timezone.now())
    return (
        unblocked()
        .filter(Q(last_run__isnull=True) | ~(HAS_ACTIVE_RUN | STOPPED_IN_LINE))
        .filter(in_time, task_type=Task.Type.AGENT)
        .annotate(first_agent=Subquery(first, output_field=UUIDField()))
        .filter(first_agent__isnull=False)
        .order_by(priority_rank(), "created_at", "id")
    )


def unannounced() -> QuerySet[Task]:
    """Return the tasks for people whose turn has come, and who were not told."""
    return unblocked().exclude(task_type=Task.Type.AGENT).filter(announced_at__isnull=True)


def advance(project_id: uuid.UUID) -> list[Run]:
    """Let a project go on: tell people, give runs to what is due; return those runs.

    None for a project that does not execute. Queries: a few, and as many again for each run. What finds no slot
    waits, and starts by itself.
    """
    if not Project.objects.filter(pk=project_id, status=Project.Status.EXECUTING).exists():
        return []
    for task in unannounced().filter(project=project_id)[:MOST_A_LOOK]:
        _announce(task, project_id)
    runs = Turn(project_id).take()
    promote()  # those, where a slot came free meanwhile; or one that waited for other tasks, too
    return runs


class Turn:
    """One look at what is due in a project.

    Fairness: a task joins the line only while fewer than `limit` runs of its project would start before it. So 500
    tasks that are due never stand in front of another project's, or of what people ask for: with equal priorities
    the projects take turns, as each joins behind the other with its next.
    """

    def __init__(self, project_id: uuid.UUID) -> None:
        self.project_id = project_id
        self.limit = Capacity.current().limit
        self.ranks = self.waiting()

    def waiting(self, *, but: Run | None = None) -> list[int]:
        """Return the ranks of the priorities of the project's runs that wait, `but` this one."""
        runs = waiting_queue().filter(project=self.project_id, kind=Run.Kind.TASK).order_by()
        if but is not None:
            runs = runs.exclude(pk=but.pk)
        return [PRIORITY_RANK[priority] for priority in runs.values_list("task__priority", flat=True)]

    def is_long(self, priority: str) -> bool:
        """Tell whether as many as the limit go before a task of that priority. Where one waits no slot is free."""
        return sum(rank <= PRIORITY_RANK[priority] for rank in self.ranks) >= self.limit

    def take(self) -> list[Run]:
        """Give runs to what is due, as far as slots and the line go."""
        if self.is_long(Task.Priority.URGENT):
            return []
        tasks = list(due().filter(project=self.project_id)[: min(2 * self.limit + 1, MOST_A_LOOK)])
        agents = Agent.objects.in_bulk([vars(task)["first_agent"] for task in tasks])
        runs = []
        for task in tasks:
            agent = agents.get(vars(task)["first_agent"])
            if agent is None:  # deleted meanwhile: the next look finds another, or none
                continue
            if self.is_long(task.priority):  # those behind it are not more urgent
                break
            try:
                runs.append(run := admit_due(task, agent, check=partial(self.claim, task, agent)))
            except LineIsLong:
                break
            except (NotDue, Refusal):
                continue
            self.ranks += [PRIORITY_RANK[task.priority]] if run.slot is None else []
        return runs

    def claim(self, task: Task, agent: Agent, run: Run) -> None:
        """Claim the task for the run, in the transaction that inserted it. Raises NotDue, LineIsLong.

        Locks the task's row, then the project's, as the end of a run does. Behind these locks nobody can change
        the task or the statuses of its blockers, or pause the project: what is seen here holds at the commit.
        """
        in_time = Q(retry_at__isnull=True) | Q(retry_at__lte=timezone.now())
        mine = Task.objects.filter(in_time, pk=task.pk, status__in=OPEN)
        if not mine.update(retry_at=None) or not locked_while(self.project_id, Project.Status.EXECUTING):
            raise NotDue
        if not due().filter(Q(first_agent=agent.pk), pk=task.pk, project=self.project_id).exists():
            raise NotDue
        if run.slot is None:
            self.ranks = self.waiting(but=run)
            if self.is_long(task.priority):
                raise LineIsLong


def locked_while(project_id: uuid.UUID, status: Project.Status) -> bool:
    """Lock the project's row to the commit, and tell whether it has that status.

    The lock (FOR NO KEY UPDATE) lets pass what only refers to the project; call it behind the locks of tasks.
    """
    row = Project.objects.filter(pk=project_id, status=status).select_for_update(no_key=True)
    return row.values_list("pk").first() is not None


def _announce(task: Task, project_id: uuid.UUID) -> None:
    """Tell the people, once, that a task is theirs now; of a review task open the review."""
    with transaction.atomic():
        mine = Task.objects.filter(pk=task.pk, announced_at__isnull=True, status__in=OPEN)
        told = mine.update(announced_at=timezone.now())
        executing = locked_while(project_id, Project.Status.EXECUTING)
        if not (told and executing and unblocked().filter(pk=task.pk, project=project_id).exists()):
            transaction.set_rollback(True)
        elif task.task_type == Task.Type.REVIEW:
            reviews.open_upstream(task)
        else:
            notifications.make(Notification.Type.HUMAN_TASK, f"A task waits for you: {task.title}", task=task)


# ---------------------------------------------------------------- again and again
def advance_all() -> None:
    """Do what nothing else triggers, or whose trigger was lost. The reaper calls it every few seconds."""
    # Mostly nothing is under way: two plain looks say so at a fifth of what the questions below cost.
    underway = Project.objects.filter(status__in=[Project.Status.EXECUTING, Project.Status.PLANNING])
    statuses = set(underway.order_by().values_list("status", flat=True).distinct())
    if Project.Status.EXECUTING in statuses:
        advance_waiting()
        complete_resolved()
    if Project.Status.PLANNING in statuses:
        fail_interrupted_plannings()
    if Task.objects.filter(retry_at__lte=timezone.now()).exists():
        retry_outside_projects()


def advance_waiting() -> None:
    """Advance the projects with tasks that are due, or whose people have not been told."""
    waiting = set(due().order_by().values_list("project_id", flat=True))
    waiting |= set(unannounced().order_by().values_list("project_id", flat=True))
    for project_id in sorted(waiting):
        advance(project_id)


def complete_resolved() -> None:
    """Complete the executing projects that have nothing left to do, those without any task included."""
    unresolved = Task.objects.unresolved().filter(project=OuterRef("pk"))
    executing = Project.objects.filter(status=Project.Status.EXECUTING).order_by()
    for project_id in list(executing.filter(~Exists(unresolved)).values_list("pk", flat=True)):
        with transaction.atomic():
            complete_if_resolved(project_id, also_empty=True)


def retry_outside_projects() -> None:
    """Run again what is to be tried again where no scheduler runs it: with the agent that failed.

    It waits in the line as the run did that a person asked for. A paused project's wait until it goes on.
    """
    scheduled = Q(project__status__in=[Project.Status.EXECUTING, Project.Status.PAUSED])
    tasks = Task.objects.filter(
        status=Task.Status.ASSIGNED,
        task_type=Task.Type.AGENT,
        retry_at__lte=timezone.now(),
        last_run__agent__isnull=False,
    ).exclude(scheduled)
    for task in tasks.exclude(HAS_ACTIVE_RUN).select_related("last_run__agent")[:MOST_A_LOOK]:
        assert task.last_run is not None and task.last_run.agent is not None, "they are filtered for"
        try:
            admit_due(task, task.last_run.agent, check=partial(_claim_retry, task), request=task.last_run.request)
        except (NotDue, Refusal):
            continue
        promote()


def _claim_retry(task: Task, _: Run) -> None:
    mine = Task.objects.filter(pk=task.pk, status=Task.Status.ASSIGNED, retry_at=task.retry_at)
    if not mine.update(retry_at=None):
        raise NotDue


def fail_interrupted_plannings() -> None:
    """End the planning of projects that nobody plans: their run is gone, or there never was one."""
    plannings = Run.objects.active().filter(project=OuterRef("pk"), kind=Run.Kind.PLANNING)
    forgotten = Project.objects.filter(
        ~Exists(plannings), status=Project.Status.PLANNING, updated_at__lte=timezone.now() - PLANNING_PATIENCE
    )
    for project in list(forgotten):
        with transaction.atomic():
            if (
                not locked_while(project.pk, Project.Status.PLANNING)
                or not forgotten.filter(pk=project.pk).exists()
            ):
                continue
            failed = projects.change(project, status=Project.Status.FAILED)
            note_project(failed, f"Planning of '{failed.title}' failed: planning was interrupted")
