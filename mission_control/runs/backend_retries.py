"""Retry an agent's call after a temporary failure, unless that could do or charge something twice."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from itertools import count
from typing import Any

from agents.backends.base import BackendError, BackendEvent, EventType, TransientError, Usage
from agents.redaction import shown_error

GROWTH = 3.0  # factor from one pause to the next
LONGEST_PAUSE_SECONDS = 300.0  # if the provider requests a longer pause the call fails, with that reason
JITTER = 0.2  # spreads the retries of runs that were refused together


@dataclass(frozen=True, slots=True)
class CallRetryPolicy:
    """How often a call is retried, and how long the first pause is."""

    retries: int
    pause_seconds: float

    def retries_of(self, failure: TransientError) -> int:
        """Return how often a call with this failure is retried."""
        return self.retries if failure.most_retries is None else min(self.retries, failure.most_retries)

    def pause(self, failure: TransientError, *, failures: int, begun: bool) -> float | None:
        """Return the pause in seconds before the next retry; None if the call is not retried."""
        requested_seconds = failure.retry_after_seconds or 0.0
        if (
            failures > self.retries_of(failure)
            or (begun and not failure.safe_to_retry)
            or requested_seconds > LONGEST_PAUSE_SECONDS
        ):
            return None
        pause = min(max(self.pause_seconds * GROWTH ** (failures - 1), requested_seconds), LONGEST_PAUSE_SECONDS)
        return pause * (1 + random.uniform(0, JITTER))  # noqa: S311 - no secret


async def call_with_retries(
    call: Callable[[], AsyncGenerator[Any, None]], policy: CallRetryPolicy
) -> AsyncGenerator[Any, None]:
    """Yield the items of a call of the agent, then those of its retries.

    A status event before each pause gives the reason. The usage of all calls is added up. Raises BackendError.
    """
    used = Usage()
    for failures in count(1):
        spent, begun = used, False
        try:
            async with aclosing(call()) as stream:
                async for item in stream:
                    if isinstance(item, Usage):
                        used = spent + item
                        yield used
                    else:
                        begun = begun or _is_output(item)
                        yield item
            return
        except TransientError as failure:
            pause = policy.pause(failure, failures=failures, begun=begun)
            if pause is None and failures > 1:
                raise BackendError(f"Tried {failures} times. {failure}") from failure
            if pause is None:
                raise
            notice = _notice(failure, pause, attempt=failures + 1, most=policy.retries_of(failure) + 1)
        yield notice
        await asyncio.sleep(pause)


def _is_output(item: Any) -> bool:
    return isinstance(item, BackendEvent) and item.type != EventType.STATUS


def _notice(failure: TransientError, pause: float, *, attempt: int, most: int) -> BackendEvent:
    why = shown_error(str(failure)).rstrip(".") or "The agent failed"
    stop = "" if why.endswith(("?", "!")) else "."
    message = f"{why}{stop} Retrying in {round(pause, 1):g} s (attempt {attempt} of {most})"
    return BackendEvent(EventType.STATUS, message, {"attempt": attempt, "attempts": most, "pause_seconds": pause})
