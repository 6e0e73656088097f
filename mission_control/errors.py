"""The errors of actions, with their HTTP status and message. One exception handler turns them into answers."""

import uuid
from typing import Any


class Refusal(Exception):
    """An action was refused. `status` is the HTTP status, `body` further keys of the answer beside `detail`."""

    status = 409

    def __init__(self, detail: str, **body: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.body = body


class NotFound(Refusal):
    """The object of the action does not exist, or no longer."""

    status = 404

    def __init__(self, noun: str) -> None:
        super().__init__(f"{noun} not found")


class NotRunning(Refusal):
    """There is no active run to stop."""

    status = 404

    def __init__(self) -> None:
        super().__init__("Task is not currently running")


class NotParked(Refusal):
    """The run does not wait for a quota, so it cannot be resumed."""

    def __init__(self) -> None:
        super().__init__("The run does not wait for a quota")


class NotOpen(Refusal):
    """The question is not open any more. `question` is its row as it is now."""

    SENTENCES = {
        "answered": "The question is already answered",
        "expired": "The question has expired",
        "cancelled": "The question was cancelled: its answer is no longer needed",
    }

    def __init__(self, question: Any) -> None:
        super().__init__(self.SENTENCES.get(question.status, "The question is not open any more"))
        self.question = question


class Ended(Refusal):
    """The run has ended, so its agent takes no messages; a follow-up continues the conversation."""

    def __init__(self) -> None:
        super().__init__("The run has ended. Continue it with a follow-up.", hint="follow_up")


class NotAllowed(Refusal):
    """The acting user lacks a permission."""

    status = 403

    def __init__(self, doing: str, permission: str) -> None:
        super().__init__(f"{doing}, you need the “{permission}” permission.")


class OperatorDecides(Refusal):
    """Only the operator may connect this, by the environment or as a superuser."""

    status = 403


class NotForAgents(Refusal):
    """The task is for a person or a review; agents cannot run it."""

    status = 400

    def __init__(self, task_type: str) -> None:
        detail = f"Agents do not run tasks of type {task_type}."
        super().__init__(detail, task_type=[detail])


class Invalid(Refusal):
    """A value is invalid; the answer names its field."""

    status = 400

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message, **{field: [message]})


class FileTooLarge(Refusal):
    """An uploaded file is larger than allowed."""

    status = 413


class FolderRefuses(Refusal):
    """The working folder cannot take a file: an agent has put something in its way, or the disk is full."""


class WrongState(Refusal):
    """The action is impossible in the current status of the project or task."""

    status = 400


class AlreadyInstalled(Refusal):
    """The SDK for Claude is installed, or is being installed."""

    def __init__(self, *, is_done: bool) -> None:
        super().__init__(f"The SDK for Claude is {'' if is_done else 'being '}installed already")


class AlreadyRunning(Refusal):
    """The task has an active run already, and can have only one."""

    def __init__(self, **body: Any) -> None:
        super().__init__("Task is already running", **body)


class FollowUpKept(AlreadyRunning):
    """The task got an active run first: the follow-up starts none, but its message is in the task's thread.

    `delivery` is how it reaches the agent of that run; empty if it does not.
    """

    def __init__(self, message_id: uuid.UUID, delivery: str) -> None:
        super().__init__(message_id=str(message_id), delivery=delivery or None)
        self.delivery = delivery


class AlreadyPlanned(Refusal):
    """The project has an active planning run already, and can have only one."""

    def __init__(self) -> None:
        super().__init__("Project is already being planned")


class PlannerFailed(Refusal):
    """The planner, for which a request waited, failed or made no progress."""

    status = 502


class TaskBlocked(Refusal):
    """The task has unresolved blockers."""

    def __init__(self, blockers: list[uuid.UUID]) -> None:
        super().__init__("Task is blocked by unfinished tasks", blocked_by=[str(blocker) for blocker in blockers])


class LimitReached(Refusal):
    """No slot is free, or waiting runs have precedence."""

    status = 429
    retry_after_seconds = 5

    def __init__(self, limit: int) -> None:
        super().__init__(f"Maximum concurrent tasks ({limit}) reached")


class HasActiveRuns(Refusal):
    """The object cannot be changed or deleted while one of its runs is active."""


class ClaimLost(Exception):
    """The worker no longer holds the run's claim: the run was declared lost, or has ended. Stop silently."""
