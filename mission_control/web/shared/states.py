"""The state of tasks, runs and projects as pages show it: a word, an icon, a colour."""

from dataclasses import dataclass

from mission_control.models import Project, Run, Task


@dataclass(frozen=True, slots=True)
class State:
    """A state as it is shown: `status` selects the colour, `icon` the shape, `word` is the text."""

    status: str
    word: str
    icon: str


def state_of(task: Task) -> State:
    """Return the state of a task; while it has an active run, the state of that run."""
    run = task.last_run
    if run is not None and run.is_active:
        return run_state(run)
    return State(task.status, _word(task.status), f"s-{task.status}")


def run_state(run: Run) -> State:
    """Return the state of a run."""
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
    """Return the state of a project."""
    return State(project.status, _word(project.status), PROJECT_ICONS.get(project.status, "s-inbox"))


def _word(status: str) -> str:
    return status.replace("_", " ").capitalize()
