"""What was found on this machine, as the pages show it: what can be used, and what each lacks."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User

from agents.backends.programs.allowed import granted
from agents.choices import choices_for
from agents.discovery.findings import Finding, Kind
from agents.discovery.scanner import scanner
from agents.models import Agent
from mission_control.actions import connections
from mission_control.actions.found_agents import FREE_BACKENDS, needs_permission, uses

# The shortest ways to a first agent: what it is, and the line to paste into a terminal.
WAYS = (
    ("Claude Code, with your Claude login", "npm install -g @anthropic-ai/claude-code && claude"),
    (
        "A key of a provider, in the folder of Mission Control; then restart it",
        "echo 'ANTHROPIC_API_KEY=…' >> .env",
    ),
    ("A free model on this machine", "curl -fsSL https://ollama.com/install.sh | sh && ollama pull llama3.2"),
)


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A finding. `agent` uses it already; `obstacle` says why this user cannot use it."""

    finding: Finding
    agent: Agent | None
    obstacle: str

    @property
    def words(self) -> list[tuple[str, bool]]:
        """Return the obstacle in pieces; True marks text that the user has to type."""
        return [(piece, bool(number % 2)) for number, piece in enumerate(self.obstacle.split("`")) if piece]


def found_panel(user: User | AnonymousUser, *, again: bool = False) -> dict[str, Any]:
    """Return the data of the panel of findings. Starts a search in the background if needed. Two queries.

    Empty if the setting turns the search off. The view has refreshed the connections.
    """
    if not settings.FIND_AGENTS:
        return {}
    result = scanner.result(again=again)
    named = {one.backend for one in result.findings}
    agents = list(Agent.objects.filter(backend__in=named).order_by("created_at", "id")) if named else []
    allowed = [*settings.MISSION_CONTROL_COMMANDS, *granted()]
    rows = [_row(finding, user, agents, allowed) for finding in result.findings]
    return {
        "found": sorted(rows, key=lambda row: bool(row.obstacle)),
        "obstacles": sum(bool(row.obstacle) for row in rows),
        "is_checking": result.is_checking,
        "ways": WAYS,
        "may_decide": connections.may_decide(user),
    }


def _row(
    finding: Finding, user: User | AnonymousUser, agents: Sequence[Agent], allowed: Collection[str]
) -> FoundRow:
    obstacle = "" if finding.is_usable else finding.advice
    if not obstacle and needs_permission(finding, allowed) and not connections.may_decide(user):
        obstacle = f"Only the operator can allow it: add `{finding.name}` to `MISSION_CONTROL_COMMANDS`."
    return FoundRow(finding, next((agent for agent in agents if uses(agent, finding)), None), obstacle)


def offered_choices(
    backend: str, options: Mapping[str, Any], user: User | AnonymousUser, *, again: bool = False
) -> dict[str, Any]:
    """Return the data of the lists in an agent's form: the values of each option, and who was asked for them.

    Only for a user who may add or change agents is anybody asked. One query.
    """
    asks = user.has_perm("agents.add_agent") or user.has_perm("agents.change_agent")
    also = [scanner.key] if backend in {"pydantic_ai", "command"} else []
    known = choices_for(backend, options, ask=asks, again=again and asks, also=also)
    here = scanner.result(last=known.others[scanner.key]).findings if also else ()
    values = {name: list(own) for name, own in known.values.items()}
    for finding in here:
        for name, value in _values_of(finding, backend, options):
            values.setdefault(name, []).append(value)
    programs = values.get("command", [])
    return {
        "choices": {name: list(dict.fromkeys(own)) for name, own in values.items()},
        "sources": known.sources,
        "is_asking": known.is_checking,
        "may_ask": asks,
        "may_decide": connections.may_decide(user),
        "not_allowed": [one for one in here if _is_not_allowed(one, backend, programs)],
    }


def _values_of(finding: Finding, backend: str, options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the options' values that a model server on this machine adds: its models only once it is chosen."""
    if backend != "pydantic_ai" or finding.kind != Kind.SERVER:
        return
    base_url = finding.options["base_url"]
    yield "base_url", base_url
    if options.get("base_url") == base_url:
        yield from (("model", model) for model in finding.models)


def _is_not_allowed(finding: Finding, backend: str, programs: Collection[str]) -> bool:
    is_program = backend == "command" and finding.kind == Kind.PROGRAM and finding.backend not in FREE_BACKENDS
    return is_program and finding.name not in programs
