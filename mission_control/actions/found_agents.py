"""Make an agent of what was found on this machine, and test it."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import count
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from agents.discovery.findings import Finding, Kind
from agents.models import Agent
from agents.rules import NAME_CHARS
from mission_control.actions import agents, connections
from mission_control.actions.agent_tests import test_agent
from mission_control.actions.locking import lock_changes
from mission_control.actions.permissions import TEST_AGENT
from mission_control.errors import Refusal, WrongState
from mission_control.models import Run

ROLES = {Kind.PROGRAM: "Coding agent", Kind.KEY: "Assistant", Kind.SERVER: "Assistant"}
USES_LOCK = 0x6D635F75  # the key of PostgreSQL's advisory lock for every use of a finding
FREE_BACKENDS = ("claude_agent_sdk", "pydantic_ai")  # no program has to be allowed for them


@dataclass(frozen=True, slots=True)
class Used:
    """The agent, whether it is new, its test, and why there is none."""

    agent: Agent
    is_new: bool
    test: Run | None = None
    refusal: str = ""


def use(finding: Finding, *, by: User, model: str = "") -> Used:
    """Make an agent that uses the finding, allow its program if needed, and start a test.

    If an agent already uses it in the same way, it is tested instead. Raises WrongState if the finding cannot be
    used yet, OperatorDecides if the user may not allow the program, and Invalid. Locks other uses of findings.
    """
    if not finding.is_usable:
        raise WrongState(f"{finding.title}: {finding.advice or 'it cannot be used yet'}")
    options = finding.options_for(model)
    with transaction.atomic():
        lock_changes(USES_LOCK)
        if needs_permission(finding, connections.allowed_programs()):
            connections.allow_program(finding.name, by=by)
        rows = Agent.objects.filter(backend=finding.backend).order_by("created_at", "id")
        agent = next((row for row in rows if uses(row, finding, model)), None)
        is_new = agent is None
        if agent is None:
            agent = agents.create(
                name=free_name(finding, options),
                role=ROLES[finding.kind],
                backend=finding.backend,
                backend_options=options,
            )
    if not by.has_perms(TEST_AGENT):
        return Used(agent, is_new, refusal="You don't have permission to test agents.")
    try:
        return Used(agent, is_new, test_agent(agent, by=by))
    except Refusal as refusal:
        return Used(agent, is_new, refusal=refusal.detail)


def needs_permission(finding: Finding, allowed: Collection[str]) -> bool:
    """Return whether its program has to be allowed first; `allowed` has the names of those that are."""
    is_free = finding.kind != Kind.PROGRAM or finding.backend in FREE_BACKENDS
    return not is_free and finding.name not in allowed


def uses(agent: Agent, finding: Finding, model: str | None = None) -> bool:
    """Return whether the agent uses the finding: with this model, or with any if `model` is None."""
    if agent.backend != finding.backend:
        return False
    options = finding.options_for(model or "")
    if model is not None:
        return bool(agent.backend_options == options)
    return {**agent.backend_options, "model": ""} == {**options, "model": ""} or (
        finding.kind == Kind.PROGRAM and agent.backend_options.get("command") == options.get("command")
    )


def free_name(finding: Finding, options: dict[str, Any]) -> str:
    """Return a name without spaces that no agent has: the program's, the model's, or one with a number."""
    model = str(options.get("model", "")).rpartition(":" if finding.kind == Kind.KEY else "/")[2]
    base = re.sub(r"[^A-Za-z0-9._-]+", "-", finding.name or model or finding.kind).strip("-")[: NAME_CHARS - 4]
    base = base or finding.kind
    taken = {name.lower() for name in Agent.objects.filter(name__istartswith=base).values_list("name", flat=True)}
    numbered = (base if number == 1 else f"{base}-{number}" for number in count(1))
    return next(name for name in numbered if name.lower() not in taken)
