"""Store a plan: the requirements, the tasks and their agents, by the actions that every caller uses."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from agents.models import Agent
from mission_control.actions import agents, projects, requirements, tasks
from mission_control.errors import HasActiveRuns, NotFound
from mission_control.models import Deliverable, Project, Run, Task
from mission_control.planning.answers import GoalAnalysis, PlannedAgent, PlannedTask, TaskPlan, Team, title_in
from mission_control.runs.deliverables import add_version

TITLE_CHARS = 80  # of the description, as a title until the requirements provide one
PRD_TAGS = ["prd", "deep-work", "auto-generated"]
DEFAULT_SPECIALTY = "generalist"  # for tasks without required specialties, if the plan has no agents


@dataclass(frozen=True, slots=True)
class Plan:
    """A complete, checked plan that is not stored yet."""

    analysis: GoalAnalysis
    requirements: str
    tasks: TaskPlan
    team: Team


def provisional_title(description: str) -> str:
    """Return a title for a project of which only the description is known."""
    return " ".join(description.split())[:TITLE_CHARS].strip()


def write(run: Run, plan: Plan) -> None:
    """Store the plan of the run's project, in the caller's transaction, which ends the run.

    Replaces unstarted tasks of an earlier plan. Raises Invalid, NotFound.
    """
    project, planner = run.project, run.agent
    assert project is not None and planner is not None, "a plan is made for a project, by an agent"
    _delete_unstarted(project)
    assigner = AgentAssigner(plan.team.agents, planner)
    stored: dict[str, Task] = {}
    for planned in plan.tasks.in_order():
        stored[planned.key] = _write_task(planned, run, stored, assigner)
    project = Project.objects.get(pk=project.pk)
    title = title_in(plan.requirements) or project.title
    prd = _write_requirements(run, project, title, plan.requirements)
    changes: dict[str, Any] = {"title": title} if project.title == provisional_title(project.description) else {}
    projects.change(
        project,
        team_agents=assigner.members,
        prd_document=prd,
        metadata={**project.metadata, "goal_analysis": plan.analysis.model_dump()},
        **changes,
    )


def _delete_unstarted(project: Project) -> None:
    """Delete the unstarted tasks of an earlier plan."""
    planned = Task.objects.filter(project=project, metadata__has_key="planned_by", started_at=None, runs=None)
    for task in planned.not_started():
        with suppress(HasActiveRuns, NotFound):  # started or deleted at the same moment
            tasks.delete(task)


def _write_task(planned: PlannedTask, run: Run, stored: dict[str, Task], assigner: "AgentAssigner") -> Task:
    return tasks.create(
        title=planned.title,
        description=planned.description,
        task_type=planned.task_type,
        priority=planned.priority,
        tags=planned.tags,
        estimated_minutes=planned.estimated_minutes,
        project=run.project,
        creator_id=str(run.agent_id),
        assignees=[assigner.best_for(planned.required_specialties)] if planned.task_type == "agent" else [],
        blocked_by=[stored[key] for key in dict.fromkeys(planned.blocked_by_keys)],
        metadata={"planned_by": str(run.pk), "required_specialties": planned.required_specialties},
    )


def _write_requirements(run: Run, project: Project, title: str, content: str) -> Deliverable:
    """Store the requirements: as a new version of an earlier plan's document, otherwise as a new document."""
    earlier = project.prd_document
    if earlier is not None and earlier.run is not None and earlier.run.kind == Run.Kind.PLANNING:
        return add_version(earlier, content, editor_id=run.agent_id, agent=run.agent, run=run)
    return requirements.create_document(
        project, content, title=title, author_id=str(run.agent_id), run=run, tags=PRD_TAGS
    )


class AgentAssigner:
    """Assigns agents to the tasks of a plan: existing ones, or new ones if none fits."""

    def __init__(self, planned: Iterable[PlannedAgent], planner: Agent) -> None:
        self.planner = planner
        self.known = list(Agent.objects.order_by("created_at", "pk"))
        self.members: list[Agent] = []
        for one in planned:
            self._add_member(self._find(one) or self._create(one))

    def best_for(self, required: Sequence[str]) -> Agent:
        """Return the agent with most of the specialties: a member, otherwise any agent, otherwise a new one.

        A task without required specialties gets the first member.
        """
        wanted = _folded(required)
        if not wanted and self.members:
            return self.members[0]
        for some in (self.members, self.known):
            best = max(some, key=lambda agent: len(wanted & _folded(agent.specialties)), default=None)
            if best is not None and wanted & _folded(best.specialties):
                return self._add_member(best)
        specialties = list(required) or [DEFAULT_SPECIALTY]
        name, role = specialties[0].capitalize(), f"{specialties[0].capitalize()} specialist"
        return self._add_member(
            self._create(PlannedAgent(name=name[:50], role=role[:100], specialties=specialties))
        )

    def _find(self, one: PlannedAgent) -> Agent | None:
        """Return the agent with this name, otherwise one with all these specialties."""
        for agent in self.known:
            if agent.name.casefold() == one.name.casefold():
                return agent
        wanted = _folded(one.specialties)
        return next((agent for agent in self.known if wanted and wanted <= _folded(agent.specialties)), None)

    def _create(self, one: PlannedAgent) -> Agent:
        created = agents.create(
            **one.model_dump(),
            level=Agent.Level.SPECIALIST,
            backend=self.planner.backend,
            backend_options=self.planner.backend_options,
            metadata={"made_for_plan": True},
        )
        self.known.append(created)
        return created

    def _add_member(self, agent: Agent) -> Agent:
        if agent not in self.members:
            self.members.append(agent)
        return agent


def _folded(specialties: Iterable[object]) -> set[str]:
    return {str(specialty).casefold() for specialty in specialties}
