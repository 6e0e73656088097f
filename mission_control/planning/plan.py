"""Write a plan down: the requirements, the tasks and who does them, by the verbs that everybody uses."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from agents.models import Agent
from mission_control.actions import agents, documents, projects, tasks
from mission_control.errors import HasActiveRuns, NotFound
from mission_control.models import Deliverable, Project, Run, Task
from mission_control.planning.answers import GoalAnalysis, PlannedAgent, PlannedTask, TaskPlan, Team, title_in
from mission_control.runs.deliverables import add_version

TITLE_CHARS = 80  # of a description, until the requirements give the project its title
PRD_TAGS = ["prd", "deep-work", "auto-generated"]
ANYBODY = "generalist"  # the specialty of who does what asks for none, where the plan names nobody


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole plan, checked, of which nothing is stored yet."""

    analysis: GoalAnalysis
    requirements: str
    tasks: TaskPlan
    team: Team


def provisional_title(description: str) -> str:
    """Return the title of a project of which only the description is known."""
    return " ".join(description.split())[:TITLE_CHARS].strip()


def write(run: Run, plan: Plan) -> None:
    """Store the plan of the run's project, in the caller's transaction, which ends the run.

    What an earlier plan left and nobody has begun is replaced. Raises Invalid, NotFound.
    """
    project, planner = run.project, run.agent
    assert project is not None and planner is not None, "a plan is made for a project, by an agent"
    _delete_unstarted(project)
    made = Crew(plan.team.agents, planner)
    stored: dict[str, Task] = {}
    for planned in plan.tasks.in_order():
        stored[planned.key] = _write_task(planned, run, stored, made)
    project = Project.objects.get(pk=project.pk)
    title = title_in(plan.requirements) or project.title
    prd = _write_requirements(run, project, title, plan.requirements)
    changes: dict[str, Any] = {"title": title} if project.title == provisional_title(project.description) else {}
    projects.change(
        project,
        team_agents=made.members,
        prd_document=prd,
        metadata={**project.metadata, "goal_analysis": plan.analysis.model_dump()},
        **changes,
    )


def _delete_unstarted(project: Project) -> None:
    """Delete what a plan made and nobody has begun."""
    planned = Task.objects.filter(project=project, metadata__has_key="planned_by", started_at=None, runs=None)
    for task in planned.filter(status__in=[Task.Status.INBOX, Task.Status.ASSIGNED]):
        with suppress(HasActiveRuns, NotFound):  # somebody begins, or deletes it, in this moment
            tasks.delete(task)


def _write_task(planned: PlannedTask, run: Run, stored: dict[str, Task], crew: "Crew") -> Task:
    return tasks.create(
        title=planned.title,
        description=planned.description,
        task_type=planned.task_type,
        priority=planned.priority,
        tags=planned.tags,
        estimated_minutes=planned.estimated_minutes,
        project=run.project,
        creator_id=str(run.agent_id),
        assignees=[crew.best_for(planned.required_specialties)] if planned.task_type == "agent" else [],
        blocked_by=[stored[key] for key in dict.fromkeys(planned.blocked_by_keys)],
        metadata={"planned_by": str(run.pk), "required_specialties": planned.required_specialties},
    )


def _write_requirements(run: Run, project: Project, title: str, content: str) -> Deliverable:
    """Store the requirements: a new version of those that an earlier plan wrote, else a document of their own."""
    earlier = project.prd_document
    if earlier is not None and earlier.run is not None and earlier.run.kind == Run.Kind.PLANNING:
        return add_version(earlier, content, editor_id=run.agent_id, agent=run.agent, run=run)
    return documents.create(
        title=f"PRD: {title}",
        content=content,
        type=Deliverable.Type.PROTOCOL,
        project=project,
        run=run,
        author_id=str(run.agent_id),
        tags=PRD_TAGS,
    )


class Crew:
    """Who does the tasks of a plan: agents that there are, and those that are made because nobody fits."""

    def __init__(self, planned: Iterable[PlannedAgent], planner: Agent) -> None:
        self.planner = planner
        self.known = list(Agent.objects.order_by("created_at", "pk"))
        self.members: list[Agent] = []
        for one in planned:
            self._join(self._found(one) or self._made(one))

    def best_for(self, required: Sequence[str]) -> Agent:
        """Return who has most of the specialties: of the crew, else of all, else one made for them.

        What asks for nothing goes to the first of the crew.
        """
        wanted = _folded(required)
        if not wanted and self.members:
            return self.members[0]
        for some in (self.members, self.known):
            best = max(some, key=lambda agent: len(wanted & _folded(agent.specialties)), default=None)
            if best is not None and wanted & _folded(best.specialties):
                return self._join(best)
        specialties = list(required) or [ANYBODY]
        name, role = specialties[0].capitalize(), f"{specialties[0].capitalize()} specialist"
        return self._join(self._made(PlannedAgent(name=name[:50], role=role[:100], specialties=specialties)))

    def _found(self, one: PlannedAgent) -> Agent | None:
        """Return the agent of this name, else one who has all these specialties."""
        for agent in self.known:
            if agent.name.casefold() == one.name.casefold():
                return agent
        wanted = _folded(one.specialties)
        return next((agent for agent in self.known if wanted and wanted <= _folded(agent.specialties)), None)

    def _made(self, one: PlannedAgent) -> Agent:
        made = agents.create(
            **one.model_dump(),
            level=Agent.Level.SPECIALIST,
            backend=self.planner.backend,
            backend_options=self.planner.backend_options,
            metadata={"made_for_plan": True},
        )
        self.known.append(made)
        return made

    def _join(self, agent: Agent) -> Agent:
        if agent not in self.members:
            self.members.append(agent)
        return agent


def _folded(specialties: Iterable[object]) -> set[str]:
    return {str(specialty).casefold() for specialty in specialties}
