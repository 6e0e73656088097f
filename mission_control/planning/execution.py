"""Carry out a planning: one run, several calls of the planner's backend, each checked before the next."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from django.conf import settings
from django.db import IntegrityError

from agents.backends.base import BackendError, BackendEvent, EventType, Usage
from agents.models import Agent
from agents.redaction import redact_secrets
from mission_control.errors import Refusal
from mission_control.models import Run
from mission_control.planning import plan
from mission_control.planning.answers import BadAnswer, GoalAnalysis, TaskPlan, Team, markdown
from mission_control.planning.prompts import STEPS, TITLES, Planning, build, cuts_of
from mission_control.runs.async_database import persist
from mission_control.runs.execution import Execution, Outcome
from mission_control.runs.preparation import agent_of, workdir_of
from mission_control.runs.prompt_sections import notice_of, one_line
from mission_control.text import storable

TRIES = 2  # an answer that cannot be used is sent back once, with what is wrong with it
LISTED_AGENTS = 100

Checked = TypeVar("Checked")


def execution_of(run: Run) -> Execution:
    """Return how to carry out a run of either kind."""
    if run.kind != Run.Kind.PLANNING:
        return Execution(run)
    return GoalExecution(run) if run.project_id is None else PlanExecution(run)


class PlanningExecution(Execution):
    """A planning while it is carried out. Of the machinery of runs it changes what the agent is asked."""

    planning: Planning

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.said: list[str] = []  # in the call that is under way
        self.spent = Usage()  # by the calls before it
        self.prompts: list[str] = []

    async def prepare(self) -> str:
        self.planning = await persist(knowledge_of, self.run)
        return ""

    def count(self, usage: Usage) -> None:
        self.usage = self.spent + usage

    async def record(self, event: BackendEvent) -> None:
        if event.type == EventType.MESSAGE:
            self.said.append(event.content)
        await super().record(event)

    async def ask(self, step: str, check: Callable[[str], Checked]) -> Checked:
        """Return the planner's checked answer to a step, which it may mend once. Raises BackendError."""
        answer = error = ""
        for _ in range(TRIES):
            answer = await self.answer_to(step, answer=answer, error=error)
            try:
                return check(answer)
            except BadAnswer as bad:
                error = str(bad)
                await self.buffer.put(BackendEvent(EventType.STATUS, f"This answer cannot be used. {error}"))
        raise BackendError(f"The planner's answer ({step}) cannot be used. {error}")

    async def answer_to(self, step: str, *, answer: str, error: str) -> str:
        """Call the agent once and return its answer, as it is kept: without keys and passwords.

        Where its backend cannot tell the answer, that is all it said.
        """
        budget_chars = self.limits.prompt_chars
        asked: Any = {"budget_chars": budget_chars, "answer": answer, "error": error}
        prompt = storable(build(step, self.planning, **asked))
        await persist(self.keep_prompt, prompt)
        if cut := cuts_of(step, self.planning, **asked):
            await self.buffer.put(BackendEvent(EventType.STATUS, notice_of(cut, budget_chars=budget_chars)))
        self.spent, self.said, self.answer = self.usage, [], None
        await self.read(prompt)
        return self.answer or storable(redact_secrets("".join(self.said)))

    def keep_prompt(self, prompt: str) -> None:
        """Add a prompt to those that the run was sent."""
        if prompt not in self.prompts:
            self.prompts.append(prompt)
        text = "\n\n---\n\n".join(self.prompts)
        Run.objects.filter(pk=self.run.pk, claim_token=self.run.claim_token).update(prompt=text)

    def end_once(self, outcome: Outcome, usage: dict[str, Any]) -> None:
        try:
            super().end_once(outcome, usage)
        except Refusal as refusal:
            super().end_once(Outcome(Run.Status.ERROR, f"The plan cannot be written: {refusal.detail}"), usage)
        except IntegrityError:  # what a rival deletes shows at the commit
            message = "What the plan refers to was deleted while it was written"
            super().end_once(Outcome(Run.Status.ERROR, message), usage)


class GoalExecution(PlanningExecution):
    """The analysis of a goal that is no project yet; the run keeps it beside what it was asked."""

    analysis: GoalAnalysis

    async def work(self, prompt: str) -> None:
        self.analysis = await self.ask("goal_analysis", GoalAnalysis.read)

    def write_result(self, run: Run) -> None:
        request = {**run.request, "goal_analysis": self.analysis.model_dump()}
        Run.objects.filter(pk=run.pk).update(request=request)


class PlanExecution(PlanningExecution):
    """The plan of a project, step by step; all of it is written with the run's end, or nothing of it."""

    plan: plan.Plan

    async def work(self, prompt: str) -> None:
        analysis = await self.analysis()
        depth = self.run.request["research_depth"]
        depth = analysis.suggested_research_depth if depth == "auto" else depth
        if depth != "none":
            self.planning = replace(self.planning, research_depth=depth)
            self.learn("research", await self.step("research", lambda text: markdown(text, "research")))
        prd = await self.step("prd", lambda text: markdown(text, "requirements document"))
        self.learn("prd", prd)
        most = settings.PLAN_MAX_TASKS
        tasks = await self.step("tasks", lambda text: TaskPlan.read(text).doable(most_tasks=most))
        self.learn("tasks", tasks.model_dump_json(exclude_defaults=True, indent=1))
        self.plan = plan.Plan(analysis, prd, tasks, await self.step("team", Team.read))

    async def analysis(self) -> GoalAnalysis:
        """Return the analysis that came with the request, else the planner's."""
        given = self.run.request.get("goal_analysis")
        analysis = GoalAnalysis(**given) if given else await self.step("goal_analysis", GoalAnalysis.read)
        self.learn("goal_analysis", analysis.model_dump_json(indent=1))
        return analysis

    async def step(self, name: str, check: Callable[[str], Checked]) -> Checked:
        """Say which step begins, and return the planner's answer to it. Raises BackendError."""
        if self.said:
            await self.buffer.put(BackendEvent(EventType.MESSAGE, "\n\n"))
        await self.buffer.put(BackendEvent(EventType.STATUS, STEPS[name], {"phase": "planning", "step": name}))
        return await self.ask(name, check)

    def learn(self, step: str, text: str) -> None:
        """Show what a step has made to those that follow."""
        self.planning = self.planning.knowing(step, TITLES[step], text)

    def write_result(self, run: Run) -> None:
        plan.write(run, self.plan)


def knowledge_of(run: Run) -> Planning:
    """Gather what the planner knows before it begins. Makes the working folder. Raises BackendError."""
    planner = agent_of(run)
    workdir_of(run)
    return Planning(
        planner_name=planner.name,
        planner_role=planner.role,
        planner_description=planner.description,
        goal=run.request["description"],
        most_tasks=settings.PLAN_MAX_TASKS,
        agents=[_line_of(agent) for agent in Agent.objects.exclude(pk=planner.pk)[:LISTED_AGENTS]],
    )


def _line_of(agent: Agent) -> str:
    specialties = ", ".join(str(specialty) for specialty in agent.specialties)
    return one_line(f"- {agent.name}: {agent.role}" + (f" (specialties: {specialties})" if specialties else ""))
