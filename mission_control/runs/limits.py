"""A run's limits on time, silence, output, tokens and cost, from its agent and the settings."""

import asyncio
import math
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings

from agents.backends.base import Usage
from agents.models import Agent
from mission_control.formatting import dollars
from mission_control.models import Run
from mission_control.models.run import EndCause

CHARS_A_TOKEN = 4  # an estimate for any model: a prompt's tokens cannot be counted before it is sent
LONGEST_SECONDS = 7 * 86_400
# The minimum and maximum of each entry of an agent's `metadata.limits`. Costs may be fractions, the others are
# whole.
RANGES: dict[str, tuple[float, float]] = {
    "run_seconds": (1, LONGEST_SECONDS),
    "idle_seconds": (1, LONGEST_SECONDS),
    "output_chars": (1, 5_000_000),
    "total_tokens": (1, 1_000_000_000),
    "cost_usd": (0.0001, 1_000_000),
    "prompt_tokens": (250, 1_250_000),
}

Item = TypeVar("Item")


class RunLimitExceeded(Exception):
    """The run exceeded a limit; the message names it, for users."""

    def __init__(self, cause: EndCause, message: str) -> None:
        super().__init__(message)
        self.cause = cause


def read_limits(value: Any) -> dict[str, Any]:
    """Return the limits in a JSON value. Raises ValueError with a text for users."""
    if not isinstance(value, Mapping) or set(value) - set(RANGES):
        raise ValueError(f"limits must be an object of {', '.join(RANGES)}.")
    for name, number in value.items():
        least, most = RANGES[name]
        is_number = type(number) is int or (name == "cost_usd" and type(number) is float)  # a bool is an int, too
        if not is_number or not least <= number <= most:
            kind = "number" if name == "cost_usd" else "whole number"
            raise ValueError(f"limits.{name} must be a {kind} from {least:,} to {most:,}.")
    return dict(value)


@dataclass(frozen=True, slots=True)
class RunLimits:
    """A run's limits. None: unlimited."""

    run_seconds: int
    idle_seconds: int | None
    output_chars: int
    total_tokens: int | None
    cost_usd: float | None
    prompt_chars: int

    @classmethod
    def of(cls, agent: Agent | None) -> "RunLimits":
        """Return the stricter of the agent's and the settings' limits, one by one.

        Invalid limits of an agent, which no action would have stored, are ignored.
        """
        try:
            own = read_limits(agent.metadata["limits"]) if agent else {}
        except (KeyError, TypeError, ValueError):
            own = {}
        prompt_tokens = own.get("prompt_tokens", settings.PROMPT_BUDGET_CHARS)
        return cls(
            run_seconds=min(own.get("run_seconds", LONGEST_SECONDS), settings.RUN_TIMEOUT_SECONDS),
            idle_seconds=_stricter(own.get("idle_seconds"), settings.MAX_IDLE_SECONDS),
            output_chars=min(own.get("output_chars", settings.MAX_OUTPUT_CHARS), settings.MAX_OUTPUT_CHARS),
            total_tokens=_stricter(own.get("total_tokens"), settings.MAX_TOTAL_TOKENS),
            cost_usd=_stricter(own.get("cost_usd"), settings.MAX_COST_USD),
            prompt_chars=min(prompt_tokens * CHARS_A_TOKEN, settings.PROMPT_BUDGET_CHARS),
        )


def _stricter(own: Any, of_all: Any) -> Any:
    return min((limit for limit in (own, of_all) if limit), default=None)  # a setting of 0 means unlimited


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may use in all, and what is left of it; None where there is no limit."""

    total_tokens: int | None
    tokens_left: int | None
    cost_usd: float | None
    cost_usd_left: float | None


def budget_of(run: Run) -> Budget:
    """Return the run's limits on tokens and cost, and what is left. Unknown amounts count as zero."""
    limits = RunLimits.of(run.agent)
    tokens = (run.input_tokens or 0) + (run.output_tokens or 0)
    most, usd = limits.total_tokens, limits.cost_usd
    return Budget(
        most,
        None if most is None else max(most - tokens, 0),
        usd,
        None if usd is None else max(usd - float(run.cost_usd or 0), 0),
    )


class LimitWatch:
    """Checks that one run stays within its limits."""

    def __init__(self, limits: RunLimits) -> None:
        self.limits = limits
        self._silent_since: float | None = None  # None while the run does not wait for the agent
        self._started_at: float | None = None
        self._waits = 0  # for people: how many at the moment, since when, and how long before that
        self._waiting_since = 0.0
        self._waited_seconds = 0.0

    async def listen(self, stream: AsyncGenerator[Item, None]) -> AsyncGenerator[Item, None]:
        """Yield the items of the stream. Only the time spent waiting for it counts as the agent's silence."""
        clock = asyncio.get_running_loop().time
        async with aclosing(stream):
            while True:
                self._silent_since = clock()
                try:
                    item = await anext(stream)
                except StopAsyncIteration:
                    return
                finally:
                    self._silent_since = None
                yield item

    @contextmanager
    def waiting_for_people(self) -> Iterator[None]:
        """While this is entered, the agent waits for people: it is neither silent nor does it work."""
        clock = asyncio.get_running_loop().time
        if not self._waits:
            self._waiting_since = clock()
        self._waits += 1
        try:
            yield
        finally:
            self._waits -= 1
            if not self._waits:
                now = clock()
                self._waited_seconds += now - self._waiting_since
                if self._silent_since is not None:
                    self._silent_since = now

    async def wait_for_limit(self) -> RunLimitExceeded:
        """Wait until a time limit is reached, and return which one. Called again, it continues to count."""
        clock = asyncio.get_running_loop().time
        if self._started_at is None:
            self._started_at = clock()
        while (left := self._left(clock())) > 0:
            patience = self._patience(clock())
            if patience <= 0:
                silence = f"The agent was silent longer than the limit of {self.limits.idle_seconds} seconds"
                return RunLimitExceeded(EndCause.IDLE, silence)
            await asyncio.sleep(min(left, patience))
        return RunLimitExceeded(EndCause.TIMEOUT, self._overtime(clock()))

    def _left(self, now: float) -> float:
        """Return how many more seconds the run may take.

        The time in which the agent waits for people does not count for its limit, but a worker keeps no run longer
        than the setting allows.
        """
        assert self._started_at is not None, "the time has begun"
        return min(self.limits.run_seconds + self._waited(now), settings.RUN_TIMEOUT_SECONDS) - (
            now - self._started_at
        )

    def _waited(self, now: float) -> float:
        return self._waited_seconds + (now - self._waiting_since if self._waits else 0.0)

    def _overtime(self, now: float) -> str:
        if not self._waited(now):
            return f"Ran longer than the limit of {self.limits.run_seconds} seconds"
        return f"Worked and waited for people longer than the limit of {self.limits.run_seconds} seconds"

    def _patience(self, now: float) -> float:
        """Return how many more seconds the agent may be silent."""
        if self.limits.idle_seconds is None:
            return math.inf
        since = now if self._silent_since is None or self._waits else self._silent_since
        return since + self.limits.idle_seconds - now

    def check(self, usage: Usage) -> None:
        """Raise RunLimitExceeded if the usage exceeds a limit. Unknown amounts count as zero."""
        tokens = (usage.input_tokens or 0) + (usage.output_tokens or 0)
        most_tokens, most_usd = self.limits.total_tokens, self.limits.cost_usd
        if most_tokens is not None and tokens > most_tokens:
            message = f"Used {tokens:,} tokens, more than the limit of {most_tokens:,}"
            raise RunLimitExceeded(EndCause.TOKEN_LIMIT, message)
        if most_usd is not None and (usage.cost_usd or 0) > most_usd:
            cost, limit = dollars(usage.cost_usd), dollars(most_usd)
            spent = f"Cost {cost}, more" if cost != limit else "Cost more"  # by less than is written
            message = f"{spent} than the limit of {limit}"
            raise RunLimitExceeded(EndCause.COST_LIMIT, message)
