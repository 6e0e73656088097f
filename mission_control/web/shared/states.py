"""How tasks, runs and projects stand, as pages show it: a word, an icon, a colour."""

from dataclasses import dataclass

from mission_control.models import Project, Run, Task


@dataclass(frozen=True, slots=True)
class State:
    """How something stands, as it is shown: the status picks the colour, the icon the shape, the word says it."""

    status: str
    word: str
    icon: str


def state_of(task: Task) -> State:
    """Return how a task stands: as its run while one is active."""
    run = task.last_run
    if run is not None and run.is_active:
        return run_state(run)
    return State(task.status, _word(task.status), f"s-{task.status}")


def run_state(run: Run) -> State:
    """Return how a run stands."""
    return State(run.status, _word(run.status), f"r-{run.status}")


PROJECT_ICONS = {
    "draft": "edit",
    "planning": "r-running",
    "awaiting_approval": "s-review",
    "approved": "r-completed",
    "executing": "play",
    "paused": "pause",
    "completed": "s-done",
    "failed": "r-error",
}


def project_state(project: Project) -> State:
    """Return how a project stands."""
    return State(project.status, _word(project.status), PROJECT_ICONS.get(project.status, "s-inbox"))


def _word(status: str) -> str:
    return status.replace("_", " ").capitalize()
