"""The functions that django-q2 calls; each calls one action. Stored rows contain their dotted names."""

import uuid

from mission_control.actions import agents, reviews, sdk_installations
from mission_control.planning.execution import execution_of
from mission_control.runs.execution import execute


def execute_run(run_id: str) -> None:
    """Execute a run; `runs/lifecycle.py` enqueues this dotted name."""
    execute(uuid.UUID(run_id), execution_of)


def mark_offline() -> None:
    """Set silent agents offline; a schedule in the database calls this dotted name."""
    agents.mark_offline()


def remind_reviews() -> None:
    """Remind people of undecided reviews; a schedule in the database calls this dotted name."""
    reviews.remind()


def install_sdk(installation_id: str) -> None:
    """Install the SDK for Claude; `actions/sdk_installations.py` enqueues this dotted name."""
    sdk_installations.carry_out(int(installation_id))
