"""Deep Work's planning: analyse a goal, plan a project, or plan it again, each in a run."""

import time
from typing import Any, Literal

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from agents.models import Agent
from mission_control.actions import agents, projects
from mission_control.actions.activity import note_project
from mission_control.errors import NotFound, NotRunning, PlannerFailed, WrongState
from mission_control.models import Project, Run
from mission_control.planning.answers import DEPTHS, GoalAnalysis
from mission_control.planning.plan import provisional_title
from mission_control.runs.admission import admit_planning
from mission_control.runs.lifecycle import stop

Depth = Literal["auto", "none", "quick", "standard", "deep"]
Status = Project.Status

PLANNER = "Planner"
POLL_SECONDS = 0.1
LONGEST_GOAL_SECONDS = 300.0  # also for a planner that is never silent: a request waits for it


def planner() -> Agent:
    """Return the default planner; create it if there is none.

    If PLANNER_BACKEND is set the planner uses that backend. Two concurrent first calls may create two planners;
    the older one is used from then on.
    """
    planners = Agent.objects.filter(name=PLANNER).order_by("created_at", "pk")
    if settings.PLANNER_BACKEND:
        planners = planners.filter(backend=settings.PLANNER_BACKEND)
    return planners.first() or agents.create(
        name=PLANNER,
        role="Project planner",
        description="Turns a goal into requirements, tasks and a team.",
        specialties=["planning"],
        level=Agent.Level.LEAD,
        backend=settings.PLANNER_BACKEND or settings.DEFAULT_BACKEND,
    )


def parse_goal(description: str, *, by: User | None = None) -> dict[str, Any]:
    """Have the planner analyse a goal, wait for it, and return the analysis.

    Without a free slot the run waits for one. Raises PlannerFailed if the run fails, is stopped, or makes no
    progress for GOAL_SILENCE_SECONDS; then it is stopped.
    """
    request = {"purpose": "goal", "description": description}
    title = f"Goal: {provisional_title(description)}"
    run = _wait_for_end(admit_planning(planner(), title, request=request, by=by))
    if run.status == Run.Status.COMPLETED:
        analysis: dict[str, Any] = run.request["goal_analysis"]
        return analysis
    if run.status == Run.Status.STOPPED:
        raise PlannerFailed(run.error or "The analysis of the goal was stopped")
    raise PlannerFailed(f"The planner failed: {run.error}")


def _wait_for_end(run: Run) -> Run:
    """Return the run when it has ended; stop it if it makes no progress for too long."""
    begun = moved = time.monotonic()
    seen: tuple[str, int] | None = None
    while True:
        run = Run.objects.light().get(pk=run.pk)
        if not run.is_active:
            return run
        now = time.monotonic()
        if run.status == Run.Status.PARKED:  # a request cannot wait for hours
            return _give_up(run, f"The quota of {run.quota_name} is used up")
        if seen != (run.status, run.last_seq):
            seen, moved = (run.status, run.last_seq), now
        if now - moved > settings.GOAL_SILENCE_SECONDS or now - begun > LONGEST_GOAL_SECONDS:
            why = "No slot became free" if run.status == Run.Status.WAITING else "The planner did not answer"
            return _give_up(run, f"{why} within {now - begun:.0f} seconds")
        _release_connection()
        time.sleep(POLL_SECONDS)


def _give_up(run: Run, why: str) -> Run:
    try:
        stop(run, reason=why)
    except NotRunning:  # it has just ended
        return Run.objects.light().get(pk=run.pk)
    raise PlannerFailed(why)


def _release_connection() -> None:
    """Return the database connection to the pool, which is small on PostgreSQL, while it is not used."""
    if settings.IN_WEB_PROCESS and not connection.in_atomic_block:
        connection.close()


def start(
    description: str,
    *,
    research_depth: Depth = "auto",
    goal_analysis: GoalAnalysis | None = None,
    by: User | None = None,
) -> Project:
    """Create a project in planning with its planning run, which may wait for a slot, and return the project."""
    agent, analysis = planner(), goal_analysis.model_dump() if goal_analysis else None

    def new_project() -> Project:
        return projects.create(
            title=provisional_title(description),
            description=description,
            status=Status.PLANNING,
            planner_agent=agent,
            metadata={"research_depth": research_depth} | ({"goal_analysis": analysis} if analysis else {}),
        )

    request = _request(description, research_depth, analysis)
    run = admit_planning(agent, _title(description), request=request, project=new_project, by=by)
    assert run.project is not None, "it was created with the run"
    return run.project


def replan(project: Project, *, by: User | None = None) -> Project:
    """Plan a project again whose planning failed or whose plan awaits approval, and return it.

    Unstarted tasks of the earlier plan are kept until the new plan is complete. Raises WrongState, NotFound,
    AlreadyPlanned.
    """
    agent = project.planner_agent or planner()
    depth = project.metadata.get("research_depth")  # users may have changed it
    request = _request(project.description or project.title, depth if depth in DEPTHS else "auto", None)
    admit_planning(
        agent, _title(project.title), request=request, project=lambda: _back_to_planning(project, agent), by=by
    )
    return Project.objects.get(pk=project.pk)


def _back_to_planning(project: Project, agent: Agent) -> Project:
    """Set a project that can be planned again to planning. The update locks the row."""
    with transaction.atomic():
        before = Project.objects.filter(pk=project.pk).values_list("status", flat=True).first()
        if before is None:
            raise NotFound("Project")
        expected = Project.objects.filter(pk=project.pk, status=before)
        now = timezone.now()
        if before not in Project.REPLANNABLE or not expected.update(
            status=Status.PLANNING, planner_agent=agent, updated_at=now
        ):
            raise WrongState(f"Project status is not {' or '.join(Project.REPLANNABLE)}")
        project = Project.objects.get(pk=project.pk)
        note_project(project, f"Planning again: {project.title}", before=before, status=project.status)
    return project


def _request(description: str, depth: str, analysis: dict[str, Any] | None) -> dict[str, Any]:
    request = {"purpose": "plan", "description": description, "research_depth": depth}
    return request | ({"goal_analysis": analysis} if analysis else {})


def _title(title: str) -> str:
    return f"Plan: {provisional_title(title)}"
