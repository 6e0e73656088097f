"""What a verb refuses, and how that reads to a client. One handler turns these into answers."""

import uuid
from typing import Any


class Refusal(Exception):
    """A verb did not do it: `status` is the HTTP status, `body` what the client gets beside `detail`."""

    status = 409

    def __init__(self, detail: str, **body: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.body = body


class NotFound(Refusal):
    """What the verb is about does not exist, any more or at all."""

    status = 404

    def __init__(self, noun: str) -> None:
        super().__init__(f"{noun} not found")


class NotRunning(Refusal):
    """There is no active run to stop."""

    status = 404

    def __init__(self) -> None:
        super().__init__("Task is not currently running")


class NotAllowed(Refusal):
    """The user who acts lacks a permission."""

    status = 403

    def __init__(self, doing: str, permission: str) -> None:
        super().__init__(f"{doing}, you need the “{permission}” permission.")


class NotForAgents(Refusal):
    """The task is a person's or a review; no agent runs it."""

    status = 400

    def __init__(self, task_type: str) -> None:
        detail = f"Agents do not run tasks of type {task_type}."
        super().__init__(detail, task_type=[detail])


class Invalid(Refusal):
    """A verb refuses a value; the answer names the field that holds it."""

    status = 400

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message, **{field: [message]})


class WrongState(Refusal):
    """It cannot be done from the status that the project or the task has."""

    status = 400


class AlreadyRunning(Refusal):
    """The task has an active run; it never has two."""

    def __init__(self) -> None:
        super().__init__("Task is already running")


class AlreadyPlanned(Refusal):
    """The project has an active planning; it never has two."""

    def __init__(self) -> None:
        super().__init__("Project is already being planned")


class PlannerFailed(Refusal):
    """The planner, on which a request waited, failed or fell silent."""

    status = 502


class TaskBlocked(Refusal):
    """The task waits for others that are not done."""

    def __init__(self, blockers: list[uuid.UUID]) -> None:
        super().__init__("Task is blocked by unfinished tasks", blocked_by=[str(blocker) for blocker in blockers])


class LimitReached(Refusal):
    """No slot is free, or those who wait go first."""

    status = 429
    retry_after_seconds = 5

    def __init__(self, limit: int) -> None:
        super().__init__(f"Maximum concurrent tasks ({limit}) reached")


class HasActiveRuns(Refusal):
    """Something cannot be changed or deleted while a run of it is active."""


class ClaimLost(Exception):
    """The run is no longer this worker's: it was declared lost, or has ended. Stop without a word."""
