"""The known values of an agent's options: those that its backend knows itself, and those that its sources list.

Sources, such as a provider's list of models, are asked in the background, and their answers are kept for all
processes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from agents import lookups
from agents.backends import registry
from agents.backends.base import Setup, Source

KEPT = timedelta(days=1)
KEPT_PROBLEM = timedelta(minutes=1)
OFFERED = 1_000  # values of one option


@dataclass(frozen=True, slots=True)
class Asked:
    """A source, and what it has answered. `checked_at` is None before its first answer."""

    option: str
    title: str
    number: int
    problem: str
    checked_at: datetime | None
    is_checking: bool
    is_given: bool


@dataclass(frozen=True, slots=True)
class Choices:
    """The known values of each option, the suggested one first, and the sources that list them."""

    values: Mapping[str, list[str]]
    sources: tuple[Asked, ...] = ()
    others: Mapping[str, lookups.State] = field(default_factory=dict)  # of the keys in `also`

    @property
    def is_checking(self) -> bool:
        return any(source.is_checking for source in self.sources)


def choices_for(
    backend: str, options: Mapping[str, Any], *, ask: bool = False, again: bool = False, also: Sequence[str] = ()
) -> Choices:
    """Return what is known now, for an agent with these options. One query, which reads other look-ups too.

    With `ask`, start to ask sources whose answer is missing or old. With `again`, ask all of them, also those
    whose address comes from the options.
    """
    setup = registry.setup_of(backend, options)
    keys = {source.key: _lookup_key(source) for source in setup.sources}
    states = lookups.states([*keys.values(), *also])
    asked, known = [], {}
    for source in setup.sources:
        state = states[keys[source.key]]
        is_running = state.is_running or _asks(source, state, ask=ask, again=again)
        known[source.key] = [value for value in state.value or () if isinstance(value, str)]
        number = len(known[source.key])
        asked.append(
            Asked(
                source.option, source.title, number, state.problem, state.checked_at, is_running, source.is_given
            )
        )
    return Choices(_values(setup, known), tuple(asked), {key: states[key] for key in also})


def outdate() -> None:
    """Let sources be asked again, because keys or programs have changed."""
    lookups.outdate("choices:")


def _lookup_key(source: Source) -> str:
    return f"choices:{settings.HOST_NAME[:200]}:{source.key[:60]}"  # a machine has its own programs and servers


def _asks(source: Source, state: lookups.State, *, ask: bool, again: bool) -> bool:
    """Start to ask the source if that is wanted; return whether it is being asked now."""
    is_old = state.is_older_than(KEPT_PROBLEM if state.problem else KEPT)
    if not settings.FIND_AGENTS or not (again or (ask and is_old and not source.is_given)):
        return False
    lookups.start(_lookup_key(source), lambda: [str(value) for value in source.look()])
    return True  # here, or just now in another process


def _values(setup: Setup, known: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the values of each option. A suggestion that its source does not list is left out."""
    values = {option: list(own) for option, own in setup.choices.items()}
    for source in setup.sources:
        listed = [f"{source.prefix}{value}" for value in known[source.key]]
        if listed:
            own = values.get(source.option, [])
            kept = [value for value in own if value in listed or not _is_of(source, value)]
            values[source.option] = [*kept, *listed]
    return {option: _unique(own)[:OFFERED] for option, own in values.items() if own}


def _is_of(source: Source, value: str) -> bool:
    return value.startswith(source.prefix)


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
