"""How much a run may take: time, silence, output, tokens, cost. Agent and settings say it."""

import asyncio
import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings

from agents.backends.base import Usage
from agents.models import Agent
from mission_control.formatting import dollars
from mission_control.models.run import EndCause

CHARS_A_TOKEN = 4  # about, whatever the model; nobody counts a prompt's tokens before it is sent
LONGEST_SECONDS = 7 * 86_400
# What an agent's `metadata.limits` may hold: the least, the most. Money is any number, the others are whole.
RANGES: dict[str, tuple[float, float]] = {
    "run_seconds": (1, LONGEST_SECONDS),
    "idle_seconds": (1, LONGEST_SECONDS),
    "output_chars": (1, 5_000_000),
    "total_tokens": (1, 1_000_000_000),
    "cost_usd": (0.0001, 1_000_000),
    "prompt_tokens": (250, 1_250_000),
}

Item = TypeVar("Item")


class OverLimit(Exception):
    """The run took more than it may; the message says of what, for people."""

    def __init__(self, cause: EndCause, message: str) -> None:
        super().__init__(message)
        self.cause = cause


def read_limits(value: Any) -> dict[str, Any]:
    """Return the limits that a JSON value describes. Raises ValueError, whose text is for people."""
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
class Limits:
    """What a run may take. None: as much as it likes."""

    run_seconds: int
    idle_seconds: int | None
    output_chars: int
    total_tokens: int | None
    cost_usd: float | None
    prompt_chars: int

    @classmethod
    def of(cls, agent: Agent | None) -> "Limits":
        """Return the stricter of the agent's and the settings', one by one.

        Limits of an agent that no verb let in are none.
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
    return min((limit for limit in (own, of_all) if limit), default=None)  # a setting of 0 is none


class Watch:
    """Sees that one run stays within its limits."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._silent_since: float | None = None  # None while nobody waits for the agent

    async def listen(self, stream: AsyncGenerator[Item, None]) -> AsyncGenerator[Item, None]:
        """Yield what the stream yields. Only the time in which it is waited for counts as the agent's silence."""
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

    async def time_is_up(self) -> OverLimit:
        """Wait until a limit of time is reached, and return which."""
        clock, seconds = asyncio.get_running_loop().time, self.limits.run_seconds
        end = clock() + seconds
        while (left := end - clock()) > 0:
            patience = self._patience(clock())
            if patience <= 0:
                silence = f"The agent gave no sign for {self.limits.idle_seconds} seconds, which is the limit"
                return OverLimit(EndCause.IDLE, silence)
            await asyncio.sleep(min(left, patience))
        return OverLimit(EndCause.TIMEOUT, f"Ran longer than the limit of {seconds} seconds")

    def _patience(self, now: float) -> float:
        """Return for how many seconds more the agent may be silent."""
        if self.limits.idle_seconds is None:
            return math.inf
        since = now if self._silent_since is None else self._silent_since
        return since + self.limits.idle_seconds - now

    def check(self, usage: Usage) -> None:
        """Raise OverLimit when that is more than the run may take. What is unknown is not counted."""
        tokens = (usage.input_tokens or 0) + (usage.output_tokens or 0)
        most_tokens, most_usd = self.limits.total_tokens, self.limits.cost_usd
        if most_tokens is not None and tokens > most_tokens:
            message = f"Used {tokens:,} tokens, more than the limit of {most_tokens:,}"
            raise OverLimit(EndCause.TOKEN_LIMIT, message)
        if most_usd is not None and (usage.cost_usd or 0) > most_usd:
            cost, limit = dollars(usage.cost_usd), dollars(most_usd)
            spent = f"Cost {cost}, more" if cost != limit else "Cost more"  # by less than is written
            message = f"{spent} than the limit of {limit}"
            raise OverLimit(EndCause.COST_LIMIT, message)
