"""Execute a planning run: several calls of the planner's backend, each answer checked before the next call."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from django.conf import settings
from django.db import IntegrityError

from agents.backends.base import BackendError, BackendEvent, EventType
from agents.models import Agent
from agents.redaction import redact_secrets
from mission_control.errors import Refusal
from mission_control.models import Run
from mission_control.planning import plan
from mission_control.planning.answers import BadAnswer, GoalAnalysis, TaskPlan, Team, markdown
from mission_control.planning.prompts import STEPS, TITLES, PlanningContext, build, cuts_of
from mission_control.runs.async_database import persist
from mission_control.runs.execution import Execution
from mission_control.runs.outcomes import Outcome
from mission_control.runs.preparation import agent_of, workdir_of
from mission_control.runs.prompt_sections import notice_of, one_line
from mission_control.text import storable

MAX_TRIES = 2  # an invalid answer is sent back once, with the errors
LISTED_AGENTS = 100

Checked = TypeVar("Checked")


def execution_of(run: Run) -> Execution:
    """Return the execution for a run of any kind."""
    if run.kind != Run.Kind.PLANNING:
        return Execution(run)
    return GoalExecution(run) if run.project_id is None else PlanExecution(run)


class PlanningExecution(Execution):
    """The execution of a planning run.

    Differs from that of other runs in the prompts and the checks of answers.
    """

    planning: PlanningContext

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.messages: list[str] = []  # of the current call
        self.prompts: list[str] = []

    async def prepare(self) -> str:
        self.planning = await persist(context_of, self.run)
        return ""

    async def record(self, event: BackendEvent) -> None:
        if event.type == EventType.MESSAGE:
            self.messages.append(event.content)
        await super().record(event)

    async def ask(self, step: str, check: Callable[[str], Checked]) -> Checked:
        """Return the planner's checked answer to a step; let it correct an invalid one once.

        Raises BackendError.
        """
        answer = error = ""
        for _ in range(MAX_TRIES):
            answer = await self.call_planner(step, answer=answer, error=error)
            try:
                return check(answer)
            except BadAnswer as bad:
                error = str(bad)
                await self.buffer.put(BackendEvent(EventType.STATUS, f"This answer cannot be used. {error}"))
        raise BackendError(f"The planner's answer ({step}) cannot be used. {error}")

    async def call_planner(self, step: str, *, answer: str, error: str) -> str:
        """Call the agent once and return its answer as it is stored, without keys and passwords.

        If its backend does not report an answer, that is all its messages.
        """
        budget_chars = self.limits.prompt_chars
        arguments: Any = {"budget_chars": budget_chars, "answer": answer, "error": error}
        prompt = storable(build(step, self.planning, **arguments))
        await persist(self.store_prompt, prompt)
        if cut := cuts_of(step, self.planning, **arguments):
            await self.buffer.put(BackendEvent(EventType.STATUS, notice_of(cut, budget_chars=budget_chars)))
        self.earlier_usage, self.messages, self.answer = self.usage, [], None
        await self.read(prompt)
        return self.answer or storable(redact_secrets("".join(self.messages)))

    def store_prompt(self, prompt: str) -> None:
        """Add a prompt to the run's stored prompts."""
        if prompt not in self.prompts:
            self.prompts.append(prompt)
        text = "\n\n---\n\n".join(self.prompts)
        Run.objects.filter(pk=self.run.pk, claim_token=self.run.claim_token).update(prompt=text)

    def end_once(self, outcome: Outcome, usage: dict[str, Any]) -> bool:
        try:
            return super().end_once(outcome, usage)
        except Refusal as refusal:
            failed = Outcome(Run.Status.ERROR, f"The plan cannot be written: {refusal.detail}")
        except IntegrityError:  # a row that was deleted at the same time, noticed at the commit
            failed = Outcome(
                Run.Status.ERROR, "Something the plan refers to was deleted while it was being written"
            )
        return super().end_once(failed, usage)


class GoalExecution(PlanningExecution):
    """Analyses a goal that has no project yet; the run stores the analysis in its request."""

    analysis: GoalAnalysis

    async def work(self, prompt: str) -> None:
        self.analysis = await self.ask("goal_analysis", GoalAnalysis.read)

    def write_result(self, run: Run) -> None:
        request = {**run.request, "goal_analysis": self.analysis.model_dump()}
        Run.objects.filter(pk=run.pk).update(request=request)


class PlanExecution(PlanningExecution):
    """Plans a project step by step; the whole plan is stored with the run's end, or nothing of it."""

    plan: plan.Plan

    async def work(self, prompt: str) -> None:
        analysis = await self.analysis()
        depth = self.run.request["research_depth"]
        depth = analysis.suggested_research_depth if depth == "auto" else depth
        if depth != "none":
            self.planning = replace(self.planning, research_depth=depth)
            self.add_result("research", await self.step("research", lambda text: markdown(text, "research")))
        prd = await self.step("prd", lambda text: markdown(text, "requirements document"))
        self.add_result("prd", prd)
        most = settings.PLAN_MAX_TASKS
        tasks = await self.step("tasks", lambda text: TaskPlan.read(text).checked(most_tasks=most))
        self.add_result("tasks", tasks.model_dump_json(exclude_defaults=True, indent=1))
        self.plan = plan.Plan(analysis, prd, tasks, await self.step("team", Team.read))

    async def analysis(self) -> GoalAnalysis:
        """Return the request's analysis, otherwise the planner's."""
        given = self.run.request.get("goal_analysis")
        analysis = GoalAnalysis(**given) if given else await self.step("goal_analysis", GoalAnalysis.read)
        self.add_result("goal_analysis", analysis.model_dump_json(indent=1))
        return analysis

    async def step(self, name: str, check: Callable[[str], Checked]) -> Checked:
        """Announce a step and return the planner's answer to it. Raises BackendError."""
        if self.messages:
            await self.buffer.put(BackendEvent(EventType.MESSAGE, "\n\n"))
        await self.buffer.put(BackendEvent(EventType.STATUS, STEPS[name], {"phase": "planning", "step": name}))
        return await self.ask(name, check)

    def add_result(self, step: str, text: str) -> None:
        """Add a step's result to the material for the next steps."""
        self.planning = self.planning.with_result(step, TITLES[step], text)

    def write_result(self, run: Run) -> None:
        plan.write(run, self.plan)


def context_of(run: Run) -> PlanningContext:
    """Collect what the planner knows at its start. Creates the working folder. Raises BackendError."""
    planner = agent_of(run)
    workdir_of(run)
    return PlanningContext(
        planner_name=planner.name,
        planner_role=planner.role,
        planner_description=planner.description,
        goal=run.request["description"],
        most_tasks=settings.PLAN_MAX_TASKS,
        agents=[_described(agent) for agent in Agent.objects.exclude(pk=planner.pk)[:LISTED_AGENTS]],
    )


def _described(agent: Agent) -> str:
    specialties = ", ".join(str(specialty) for specialty in agent.specialties)
    return one_line(f"- {agent.name}: {agent.role}" + (f" (specialties: {specialties})" if specialties else ""))
