"""django-q2's entry points: each calls one verb, with an id where it is about something."""

import uuid

from mission_control.actions import agents, reviews
from mission_control.planning.execution import execution_of
from mission_control.runs.execution import execute


def execute_run(run_id: str) -> None:
    """Carry out a run; `runs/lifecycle.py` enqueues it by this dotted name."""
    execute(uuid.UUID(run_id), execution_of)


def mark_offline() -> None:
    """Set silent agents offline; a schedule in the database calls it by this dotted name."""
    agents.mark_offline()


def remind_reviews() -> None:
    """Remind of undecided reviews; a schedule in the database calls it by this dotted name."""
    reviews.remind()
