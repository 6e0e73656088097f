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
    if has_failed(task):
        return State(Run.Status.ERROR, "Failed", "r-error")
    return State(task.status, word_of(task.status), f"s-{task.status}")


def has_failed(task: Task) -> bool:
    """Return whether the task is blocked because its last run failed, and not by another task."""
    return (
        task.status == Task.Status.BLOCKED
        and task.last_run is not None
        and task.last_run.status == Run.Status.ERROR
    )


def run_state(run: Run) -> State:
    """Return the state of a run."""
    return State(run.status, run_word(run), f"r-{run.status}")


def run_word(run: Run) -> str:
    """Return the state of a run as a word for people. A run that waits for a person says so."""
    if run.status == Run.Status.PARKED and run.parked_for == Run.ParkedFor.QUESTION:
        return "Waits for an answer"
    return word_of(run.status)


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
    return State(project.status, word_of(project.status), PROJECT_ICONS.get(project.status, "s-inbox"))


def word_of(status: str) -> str:
    """Return a status as a word for people."""
    return status.replace("_", " ").capitalize()
