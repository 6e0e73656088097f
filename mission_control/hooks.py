"""Calls from lower to higher packages: named here, registered in `apps.py`, imported when called.

Imports only point down; these calls point up. For example, the end of a run makes the scheduler advance its
project, and the relay shows an object as the API does. A system check imports every registered function at start.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from django.utils.module_loading import import_string


class Hook(StrEnum):
    """The hooks, with their arguments."""

    EXECUTE_RUN = "execute_run"  # the job that executes a queued run; the queue stores its dotted path
    ADVANCE_PROJECT = "advance_project"  # (project id): start the due tasks of a project
    ADVANCE_ALL = "advance_all"  # (): the same for all projects and tasks
    SHOW_TASKS = "show_tasks"  # (list of ids): the tasks as the API shows them
    SHOW_PROJECTS = "show_projects"  # (list of ids): the projects as the API shows them
    SHOW_QUESTIONS = "show_questions"  # (list of ids): the questions as the API shows them
    LATEST_LINES = "latest_lines"  # (ids of runs): the newest line of output of each, as pages show it


class NotRegistered(RuntimeError):
    """A hook was called before `apps.py` registered its function, or is missing there."""

    def __init__(self, hook: Hook) -> None:
        super().__init__(f"No function is registered for the hook {hook.value!r} (mission_control/apps.py).")


_paths: dict[Hook, str] = {}


def register(paths: Mapping[Hook, str]) -> None:
    """Register the dotted path of the function of each hook."""
    _paths.update(paths)


def path_of(hook: Hook) -> str:
    """Return the dotted path of the hook's function. Raises NotRegistered."""
    try:
        return _paths[hook]
    except KeyError:
        raise NotRegistered(hook) from None


def call(hook: Hook, *args: Any) -> Any:
    """Call the hook's function and return its result. Raises NotRegistered, ImportError."""
    return import_string(path_of(hook))(*args)
