"""A planner with scripted answers, added as a third party adds one."""

import asyncio
import json
import re

from django.conf import settings

from agents.backends.base import BackendError, Usage
from agents.models import Agent
from mission_control import jobs, planning
from mission_control.models import Project, Run
from tests import make
from tests.backends import Scripted, says

NAMES = {"planner": "tests.planning.planners.Planner"}
GOAL = "Write a short book about cats"
ASKED = re.compile(r"^## Answer: (\w+)$", re.MULTILINE)


def an_object(**keys) -> str:
    return f"Here it is.\n```json\n{json.dumps(keys)}\n```"


def a_task(key: str, *blockers: str, **fields) -> dict:
    return {"key": key, "title": f"Do {key}", "blocked_by_keys": list(blockers), **fields}


def a_plan(*tasks: dict) -> str:
    return an_object(tasks=tasks)


ANALYSIS = {
    "goal": "A book about cats",
    "domain": "creative",
    "complexity": "S",
    "suggested_research_depth": "none",
    "confidence": 0.9,
}
GOOD = {
    "goal_analysis": an_object(**ANALYSIS),
    "research": "Cats sleep a lot.",
    "prd": "# PRD: The Cat Book\n\nIt must purr.",
    "tasks": a_plan(a_task("write", "research", required_specialties=["Writing"]), a_task("research")),
    "team": an_object(agents=[{"name": "Ada", "role": "Author", "specialties": ["writing"]}]),
}


class Planner(Scripted):
    """Answers each step with what its options hold for it, in order, then with a good answer.

    In the step `silent_at` it falls silent, in `fails_at` it fails, in `leaves_at` it is uninstalled.
    """

    name = "planner"

    async def stream(self, prompt, options, workdir):
        [step] = ASKED.findall(prompt)
        if options.get("notes"):
            with (workdir / "prompts").open("a") as notes:
                notes.write(json.dumps([step, prompt]) + "\n")
        answers = options.get("answers", {}).get(step, [GOOD[step]])
        again = "Your last answer cannot be used" in prompt
        text = answers[min(int(again), len(answers) - 1)]
        for start in range(0, len(text), 20):
            yield says(text[start : start + 20])
            await asyncio.sleep(options.get("pause", 0))
        yield Usage(model="scripted", input_tokens=10, output_tokens=1)
        if options.get("fails_at") == step:
            raise BackendError("the model is tired")
        if options.get("leaves_at") == step:
            del settings.MISSION_CONTROL_BACKENDS[self.name]
        if options.get("silent_at") == step:
            await asyncio.sleep(3600)


def a_planner(**options) -> Agent:
    """Create the agent that plans from now on."""
    return make.agent(name="Planner", role="Project planner", backend="planner", backend_options=options)


def started(**request) -> tuple[Project, Run]:
    """Start planning a project, and return the project with the planning run."""
    project = planning.start(GOAL, **{"research_depth": "auto", **request})
    return project, Run.objects.get(project=project, kind="planning")


def carried_out(run: Run) -> Run:
    """Execute a run as a worker's job does, and return it."""
    jobs.execute_run(str(run.pk))
    run.refresh_from_db()
    return run


def planned(**request) -> tuple[Project, Run]:
    """Plan a project to the end, and return it with its run."""
    project, run = started(**request)
    run = carried_out(run)
    project.refresh_from_db()
    return project, run


def steps(run: Run) -> list[str]:
    """Return the steps that the run's log reports, in order."""
    events = run.events.filter(type="status").order_by("seq")
    return [event.metadata["step"] for event in events if event.metadata.get("phase") == "planning"]
