"""How one execution of a run ends: completed, failed with a reason for users, stopped, or parked."""

import logging
import traceback
from dataclasses import dataclass

from django.db import Error, InterfaceError, OperationalError

from agents.backends.base import BackendError, QuotaUsedUp
from agents.redaction import redact
from mission_control.models import Run
from mission_control.models.run import EndCause
from mission_control.runs.buffer import OutputTooLong
from mission_control.runs.limits import RunLimitExceeded

logger = logging.getLogger(__name__)
Status = Run.Status


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an execution ends: status, error text for users, and the cause, None for the status's default.

    With the status parked, the run waits for the answer to a question. With `quota` it is parked for that, if
    that is possible.
    """

    status: str
    error: str = ""
    cause: EndCause | None = None
    quota: QuotaUsedUp | None = None


CAUSE_OF_LIMIT = {
    "time": EndCause.TIMEOUT,
    "silence": EndCause.IDLE,
    "output": EndCause.OUTPUT_LIMIT,
    "processes": EndCause.PROCESS_LIMIT,
    "disk": EndCause.DISK_LIMIT,
}
DATABASE_LOST = Outcome(Status.ERROR, cause=EndCause.DATABASE_LOST)


def failure(error: BaseException, *, of_agent: bool = True) -> Outcome:
    """Return the outcome of a failure: the error's own text where it is meant for users, otherwise "unexpected".

    For an error that is not the agent's, or that comes from the system, only its class is shown, because the text
    may contain an internal address. The log has the whole text.
    """
    message = str(error) or "The agent failed without an error message"
    if isinstance(error, RunLimitExceeded):
        return Outcome(Status.ERROR, message, error.cause)
    if isinstance(error, OutputTooLong):
        return Outcome(Status.ERROR, message, EndCause.OUTPUT_LIMIT)
    if isinstance(error, QuotaUsedUp):
        return Outcome(Status.ERROR, message, EndCause.QUOTA, error)
    if isinstance(error, BackendError):
        return Outcome(Status.ERROR, message, CAUSE_OF_LIMIT.get(error.limit))
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("the database was lost (%s)", type(error).__name__)
        return DATABASE_LOST
    logger.error("unexpected failure: %s", redact("".join(traceback.format_exception(error))))
    kind = f"Unexpected failure: {type(error).__name__}"
    is_shown = of_agent and not isinstance(error, Error | OSError)
    return Outcome(Status.ERROR, f"{kind}: {error}" if is_shown else kind)
