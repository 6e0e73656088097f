"""The data of a project's page: its plan, its waiting tasks, its runs, its team and its requirements."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count, Q, QuerySet
from django.utils.safestring import SafeString

from agents.models import Agent
from mission_control.actions.permissions import Rights
from mission_control.formatting import dollars, percent, short_count
from mission_control.models import Deliverable, Project, Run, RunEvent, Task
from mission_control.models.agents import with_runs
from mission_control.planning.prompts import STEPS
from mission_control.scheduling.waiting_reasons import waiting_for
from mission_control.text import as_uuid
from mission_control.web.agents.page import spoken_text
from mission_control.web.project.graph import graph, plan_tasks, shares
from mission_control.web.project.timeline import runs_of, timeline, totals
from mission_control.web.shared.markdown import rendered
from mission_control.web.shared.plain_text import plain
from mission_control.web.shared.states import State, project_state, run_state, state_of

Status = Project.Status
Type = Task.Type

MAX_CHOICES = 200  # agents to choose from
SHOWN_PRD_CHARS = 300_000
SHOWN_PLANNER_CHARS = 4_000


# ---------------------------------------------------------------- the list
@dataclass(frozen=True, slots=True)
class ProjectRow:
    """A project as the list shows it, with its progress and its team."""

    project: Any  # with the counts that `listed` annotates
    team: list[Agent]

    @property
    def state(self) -> State:
        return project_state(self.project)

    @property
    def resolved(self) -> int:
        return int(self.project.resolved)

    @property
    def percent(self) -> str:
        return percent(self.resolved, self.project.total)

    @property
    def shares(self) -> list[dict[str, Any]]:
        counts = {"green": self.resolved, "blue": self.project.working, "orange": self.project.blocked}
        start, found = 0.0, []
        for colour, number in counts.items():
            share = number / self.project.total * 100 if self.project.total else 0
            if share:
                found.append({"colour": colour, "x": f"{start:.2f}%", "width": f"{max(share - 0.5, 0.5):.2f}%"})
                start += share
        return found


def listed() -> QuerySet[Project]:
    """Return a queryset of projects with the numbers of their tasks and with their teams."""

    def tasks(*statuses: Task.Status) -> Count:
        return Count("tasks", filter=Q(tasks__status__in=statuses))

    status = Task.Status
    return Project.objects.annotate(
        total=Count("tasks"),
        resolved=tasks(*Task.RESOLVED),
        working=tasks(status.IN_PROGRESS),
        blocked=tasks(status.BLOCKED),
        to_review=tasks(status.REVIEW),
    ).prefetch_related("team_agents")


def rows(projects: Iterable[Project]) -> list[ProjectRow]:
    """Return the rows of projects from `listed`."""
    return [ProjectRow(project, list(project.team_agents.all())) for project in projects]


# ---------------------------------------------------------------- one project
@dataclass(frozen=True, slots=True)
class Waiting:
    """A task that does not run, why, and what a person can do."""

    task: Task
    state: State
    reason: str
    can_be_skipped: bool
    is_for_a_person: bool  # a person can do it now
    needs_person: bool


@dataclass(frozen=True, slots=True)
class Member:
    """An agent of the team, with its active runs in this project."""

    agent: Any  # as `with_runs` annotates it
    runs: list[Run]

    @property
    def state(self) -> State:
        if self.runs:
            return run_state(self.runs[0])
        status = self.agent.derived_status
        return State(
            status, status.capitalize(), {"idle": "s-assigned", "active": "r-running"}.get(status, "s-offline")
        )

    @property
    def workload(self) -> str:
        return self.runs[0].task_title if self.runs else self.agent.role


@dataclass(frozen=True, slots=True)
class PlanningStep:
    """One step of a planning run: done, running, not started, or skipped."""

    word: str
    state: State
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Planning:
    """The newest planning run of a project: its steps, and the end of the planner's output."""

    run: Run
    steps: list[PlanningStep]
    text: str

    @property
    def state(self) -> State:
        return run_state(self.run)


@dataclass(frozen=True, slots=True)
class Analysis:
    """The goal as the planner understood it."""

    goal: str
    size: str
    questions: list[str]
    for_people: list[str]
    limits: list[str]


@dataclass(frozen=True, slots=True)
class Requirements:
    """The requirements document as the page shows it."""

    document: Deliverable
    html: SafeString
    author: str
    is_cut: bool


def page_of(project: Project, user: User | AnonymousUser, *, span: str = "") -> dict[str, Any]:
    """Return all data of the page. A constant number of queries."""
    may = Rights(user)
    tasks = list(plan_tasks(project))
    waits = waiting_for(project, tasks)
    resolved = sum(task.is_resolved for task in tasks)
    return {
        "project": project,
        "state": project_state(project),
        "tasks": tasks,
        "graph": graph(tasks, waits if project.status not in Project.NOT_STARTED else {}),
        "shares": shares(tasks),
        "resolved": resolved,
        "percent": percent(resolved, len(tasks)),
        "waiting": _waiting(project, tasks, waits),
        "team": _team(project, may),
        "planning": planning_of(project) if may.view_run else None,
        "planning_error": project.metadata.get("planning_error", "") if project.status == Status.FAILED else "",
        "requirements": _requirements(project) if may.view_deliverable else None,
        "analysis": _analysis(project),
        "can_start": project.status in Project.STARTABLE,
        "agentless": _agentless(tasks),
        "choices": Agent.objects.only("name")[:MAX_CHOICES] if may.change_task else [],
        "can_replan": project.status in Project.REPLANNABLE,
        "is_editable": project.status in Project.EDITABLE,
        **(_runs(project, span) if may.view_run else {}),
    }


def _agentless(tasks: list[Task]) -> list[Task]:
    """Return unstarted agent tasks without an assignee. The project cannot run them."""
    return [
        task
        for task in tasks
        if task.task_type == Type.AGENT and task.status in Task.NOT_STARTED and not task.assignee_ids
    ]


def _runs(project: Project, span: str) -> dict[str, Any]:
    spent = totals(runs_of(project))
    tokens = [spent["tokens_in"], spent["tokens_out"]]
    return {
        "timeline": timeline(project, span),
        "totals": {
            **spent,
            "tokens": short_count(None if tokens == [None, None] else sum(part or 0 for part in tokens)),
            "tokens_in": short_count(spent["tokens_in"]),
            "cost": dollars(spent["cost_usd"]),
        },
    }


def _waiting(project: Project, tasks: Iterable[Task], waits: dict[str, str]) -> list[Waiting]:
    """Return the waiting tasks, those that need a person first.

    If the project has not started, return only those that need a person before it can run them.
    """
    found = []
    for task in tasks:
        if str(task.pk) not in waits:
            continue
        is_free = all(blocker.is_resolved for blocker in task.blocked_by.all())
        turn = is_free and task.task_type != Task.Type.AGENT and task.status in Task.NOT_STARTED
        stuck = task.status in (Task.Status.BLOCKED, Task.Status.REVIEW)
        reason = waits[str(task.pk)]
        found.append(
            Waiting(
                task=task,
                state=state_of(task),
                reason=reason[:1].upper() + reason[1:],
                can_be_skipped=task.is_skippable,
                is_for_a_person=turn,
                needs_person=turn or stuck or reason == "no agent assigned",
            )
        )
    if project.status in Project.NOT_STARTED:
        return [one for one in found if one.needs_person and not one.is_for_a_person]
    return sorted(found, key=lambda one: not one.needs_person)


def _team(project: Project, may: Rights) -> list[Member]:
    """Return the team with its active runs in this project. Two queries."""
    agents = with_runs(Agent.objects.filter(projects=project))
    by_agent: dict[Any, list[Run]] = defaultdict(list)
    if may.view_run:
        order = {Run.Status.RUNNING: 0, Run.Status.QUEUED: 1}
        active = Run.objects.active().light().filter(Q(project=project) | Q(task__project=project))
        for run in sorted(active, key=lambda run: (order.get(Run.Status(run.status), 2), run.queued_at)):
            by_agent[run.agent_id].append(run)
    return [Member(agent, by_agent[agent.pk]) for agent in agents]


def planning_of(project: Project) -> Planning | None:
    """Return the newest planning run while the project is planning or has failed; else None."""
    if project.status not in (Status.PLANNING, Status.FAILED):
        return None
    run = Run.objects.light().filter(project=project, kind=Run.Kind.PLANNING).order_by("-queued_at", "id").first()
    if run is None:
        return None
    step_events = RunEvent.objects.filter(run=run, type=RunEvent.Type.STATUS, metadata__phase="planning").order_by(
        "seq"
    )
    begun = {event.metadata.get("step"): event.timestamp for event in step_events}
    return Planning(run, _steps(run, begun), plain(spoken_text(run))[-SHOWN_PLANNER_CHARS:])


def _steps(run: Run, begun: dict[Any, datetime]) -> list[PlanningStep]:
    names = list(STEPS)
    newest = max((names.index(name) for name in begun if name in names), default=-1)
    found = []
    for number, (name, word) in enumerate(STEPS.items()):
        if number > newest or (newest == -1):
            state = State("inbox", "Not started", "s-inbox")
        elif name not in begun:
            state = State("skipped", "Skipped", "s-skipped")
        elif number < newest or run.status == Run.Status.COMPLETED:
            state = State("done", "Done", "s-done")
        elif run.is_active:
            state = State("running", "Running", "r-running")
        else:
            state = run_state(run)
        found.append(PlanningStep(word, state, begun.get(name)))
    return found


SIZES = {"S": "small", "M": "medium", "L": "large", "XL": "very large"}


def _analysis(project: Project) -> Analysis | None:
    """Return the analysis of the goal. Checks every type, because clients of the API can store any metadata."""
    found = project.metadata.get("goal_analysis")
    if not isinstance(found, dict):
        return None

    def texts(name: str) -> list[str]:
        given = found.get(name)
        return [one for one in given if isinstance(one, str) and one.strip()] if isinstance(given, list) else []

    goal = found.get("goal")
    return Analysis(
        goal=goal if isinstance(goal, str) else "",
        size=SIZES.get(str(found.get("complexity")), ""),
        questions=texts("clarifications_needed"),
        for_people=texts("human_requirements"),
        limits=texts("constraints_detected"),
    )


def _requirements(project: Project) -> Requirements | None:
    document = project.prd_document
    if document is None:
        return None
    author = as_uuid(document.author_id)
    name = Agent.objects.filter(pk=author).values_list("name", flat=True).first() if author else None
    content = document.content
    return Requirements(
        document, rendered(content[:SHOWN_PRD_CHARS]), name or "", is_cut=len(content) > SHOWN_PRD_CHARS
    )
