"""Advance executing projects: admit runs of due tasks, notify people of theirs, open the reviews of review tasks.

Any number of processes may run this at once, because the database decides: a task is claimed by a conditional
update, in the transaction that also locks its project's row, requires it to be executing, and checks the task
again.
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
from mission_control.runs.quota_gates import without_quota
from mission_control.runs.slots import waiting_queue
from mission_control.scheduling.waiting_reasons import RESTARTING_STOPS

MAX_TASKS_PER_TICK = 100  # the rest follows with the next trigger, at the latest at the reaper's next tick
PLANNING_PATIENCE = timedelta(minutes=1)
HAS_ACTIVE_RUN = Q(last_run__status__in=Run.ACTIVE)
# A user who stops a waiting run does not want it to be restarted: the task is left alone until it is run by hand.
STOPPED_WHILE_WAITING = Q(
    last_run__status=Run.Status.STOPPED, last_run__slot__isnull=True, last_run__started_at__isnull=True
) & ~Q(last_run__end_cause__in=RESTARTING_STOPS)


class NotDue(Exception):
    """Since the task was read, another process has taken it, or a condition of its start has changed."""


class QueueIsFull(Exception):
    """As many runs of the project as there are slots wait before this one: other projects come first."""


def unblocked() -> QuerySet[Task]:
    """Return the tasks of executing projects that are not started and have no unresolved blockers."""
    blockers = Task.objects.unresolved().filter(blocks=OuterRef("pk"))
    executing = Q(project__status=Project.Status.EXECUTING)
    return Task.objects.not_started().filter(~Exists(blockers), executing)


def due() -> QuerySet[Task]:
    """Return the tasks that should run now, each with its `first_agent`, by priority, then age.

    Those of an agent whose quota is used up wait until it is available again, unless another agent can continue.
    """
    first = Assignment.objects.filter(task=OuterRef("pk")).order_by("place", "id").values("agent_id")[:1]
    retry_is_due = Q(retry_at__isnull=True) | Q(retry_at__lte=timezone.now())
    return (
        unblocked()
        .filter(Q(last_run__isnull=True) | ~(HAS_ACTIVE_RUN | STOPPED_WHILE_WAITING))
        .filter(retry_is_due, task_type=Task.Type.AGENT)
        .annotate(first_agent=Subquery(first, output_field=UUIDField()))
        .filter(first_agent__isnull=False)
        .filter(~without_quota("first_agent"))
        .order_by(priority_rank(), "created_at", "id")
    )


def unannounced() -> QuerySet[Task]:
    """Return the unblocked tasks for people that have not been announced yet."""
    return unblocked().exclude(task_type=Task.Type.AGENT).filter(announced_at__isnull=True)


def advance(project_id: uuid.UUID) -> list[Run]:
    """Advance a project: notify people of their tasks, admit runs of due tasks, and return those runs.

    Does nothing for a project that is not executing. Takes a few queries, and a few more for each run. A run
    without a free slot waits in the queue.
    """
    if not Project.objects.filter(pk=project_id, status=Project.Status.EXECUTING).exists():
        return []
    for task in unannounced().filter(project=project_id)[:MAX_TASKS_PER_TICK]:
        _announce(task, project_id)
    runs = ProjectTurn(project_id).admit_due_tasks()
    promote()  # these runs, if a slot has become free since; or a run whose task was blocked
    return runs


class ProjectTurn:
    """One pass over the due tasks of a project.

    Fairness: a task joins the waiting queue only while fewer than `limit` runs of its project would start before
    it. So 500 due tasks of one project never delay those of another, or runs that users start: with equal
    priorities the projects take turns.
    """

    def __init__(self, project_id: uuid.UUID) -> None:
        self.project_id = project_id
        self.limit = Capacity.current().limit
        self.waiting_ranks = self.waiting()

    def waiting(self, *, but: Run | None = None) -> list[int]:
        """Return the priority ranks of the project's waiting runs, without the run `but`."""
        runs = waiting_queue().filter(project=self.project_id, kind=Run.Kind.TASK).order_by()
        if but is not None:
            runs = runs.exclude(pk=but.pk)
        return [PRIORITY_RANK[priority] for priority in runs.values_list("task__priority", flat=True)]

    def is_queue_full(self, priority: str) -> bool:
        """Return whether as many waiting runs as the limit would start before a task of that priority."""
        return sum(rank <= PRIORITY_RANK[priority] for rank in self.waiting_ranks) >= self.limit

    def admit_due_tasks(self) -> list[Run]:
        """Admit runs of due tasks, as far as slots and the fairness rule allow, and return them."""
        if self.is_queue_full(Task.Priority.URGENT):
            return []
        tasks = list(due().filter(project=self.project_id)[: min(2 * self.limit + 1, MAX_TASKS_PER_TICK)])
        agents = Agent.objects.in_bulk([vars(task)["first_agent"] for task in tasks])
        runs = []
        for task in tasks:
            agent = agents.get(vars(task)["first_agent"])
            if agent is None:  # deleted since: the next pass finds another agent, or none
                continue
            if self.is_queue_full(task.priority):  # the tasks after it are not more urgent
                break
            try:
                runs.append(run := admit_due(task, agent, check=partial(self.claim, task, agent)))
            except QueueIsFull:
                break
            except (NotDue, Refusal):
                continue
            self.waiting_ranks += [PRIORITY_RANK[task.priority]] if run.slot is None else []
        return runs

    def claim(self, task: Task, agent: Agent, run: Run) -> None:
        """Claim the task for the run, in the transaction that inserted it. Raises NotDue, QueueIsFull.

        Locks the task's row, then the project's, as the end of a run does. While they are locked no other
        transaction can change the task or the status of a blocker, or pause the project: what is read here is
        still valid at the commit.
        """
        retry_is_due = Q(retry_at__isnull=True) | Q(retry_at__lte=timezone.now())
        mine = Task.objects.not_started().filter(retry_is_due, pk=task.pk)
        if not mine.update(retry_at=None) or not lock_project_in(self.project_id, Project.Status.EXECUTING):
            raise NotDue
        if not due().filter(Q(first_agent=agent.pk), pk=task.pk, project=self.project_id).exists():
            raise NotDue
        if run.slot is None:
            self.waiting_ranks = self.waiting(but=run)
            if self.is_queue_full(task.priority):
                raise QueueIsFull


def lock_project_in(project_id: uuid.UUID, status: Project.Status) -> bool:
    """Lock the project's row until the commit if it has that status; return whether it has.

    The lock (FOR NO KEY UPDATE) does not block rows that only refer to the project; take it after those of tasks.
    """
    row = Project.objects.filter(pk=project_id, status=status).select_for_update(no_key=True)
    return row.values_list("pk").first() is not None


def _announce(task: Task, project_id: uuid.UUID) -> None:
    """Notify people once that a task waits for them; for a review task, open the review."""
    with transaction.atomic():
        mine = Task.objects.not_started().filter(pk=task.pk, announced_at__isnull=True)
        is_claimed = mine.update(announced_at=timezone.now())
        executing = lock_project_in(project_id, Project.Status.EXECUTING)
        if not (is_claimed and executing and unblocked().filter(pk=task.pk, project=project_id).exists()):
            transaction.set_rollback(True)
        elif task.task_type == Task.Type.REVIEW:
            reviews.start_review_task(task)
        else:
            notifications.create(Notification.Type.HUMAN_TASK, f"Human task ready: {task.title}", task=task)


# ---------------------------------------------------------------- the reaper's tick
def advance_all() -> None:
    """Advance all projects and retries whose time has come, or whose trigger was lost.

    The reaper calls it every few seconds.
    """
    # Usually nothing is due: two simple queries show that at a fifth of the cost of the ones below.
    underway = Project.objects.filter(status__in=[Project.Status.EXECUTING, Project.Status.PLANNING])
    statuses = set(underway.order_by().values_list("status", flat=True).distinct())
    if Project.Status.EXECUTING in statuses:
        advance_due()
        complete_resolved()
    if Project.Status.PLANNING in statuses:
        fail_interrupted_plannings()
    if Task.objects.filter(retry_at__lte=timezone.now()).exists():
        retry_outside_projects()


def advance_due() -> None:
    """Advance the projects with due tasks or unannounced tasks for people."""
    waiting = set(due().order_by().values_list("project_id", flat=True))
    waiting |= set(unannounced().order_by().values_list("project_id", flat=True))
    for project_id in sorted(waiting):
        advance(project_id)


def complete_resolved() -> None:
    """Complete the executing projects without unresolved tasks, including those without any task."""
    unresolved = Task.objects.unresolved().filter(project=OuterRef("pk"))
    executing = Project.objects.filter(status=Project.Status.EXECUTING).order_by()
    for project_id in list(executing.filter(~Exists(unresolved)).values_list("pk", flat=True)):
        with transaction.atomic():
            complete_if_resolved(project_id, also_empty=True)


def retry_outside_projects() -> None:
    """Admit the due retries of tasks outside executing projects, with the agent that failed.

    The new run joins the waiting queue with the settings of the failed one. Tasks of a paused project wait until
    it is resumed.
    """
    scheduled = Q(project__status__in=[Project.Status.EXECUTING, Project.Status.PAUSED])
    tasks = Task.objects.filter(
        status=Task.Status.ASSIGNED,
        task_type=Task.Type.AGENT,
        retry_at__lte=timezone.now(),
        last_run__agent__isnull=False,
    ).exclude(scheduled)
    for task in tasks.exclude(HAS_ACTIVE_RUN).select_related("last_run__agent")[:MAX_TASKS_PER_TICK]:
        assert task.last_run is not None and task.last_run.agent is not None, "the query filters for them"
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
    """Set projects in planning to failed that have no active planning run, because it is gone or never existed."""
    plannings = Run.objects.active().filter(project=OuterRef("pk"), kind=Run.Kind.PLANNING)
    forgotten = Project.objects.filter(
        ~Exists(plannings), status=Project.Status.PLANNING, updated_at__lte=timezone.now() - PLANNING_PATIENCE
    )
    for project in list(forgotten):
        with transaction.atomic():
            if (
                not lock_project_in(project.pk, Project.Status.PLANNING)
                or not forgotten.filter(pk=project.pk).exists()
            ):
                continue
            failed = projects.change(project, status=Project.Status.FAILED)
            note_project(failed, f"Planning of “{failed.title}” failed: planning was interrupted")
