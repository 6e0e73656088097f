"""django-q2's entry points: each takes an id and calls one verb."""

import uuid

from mission_control.runs.execution import execute


def execute_run(run_id: str) -> None:
    execute(uuid.UUID(run_id))
