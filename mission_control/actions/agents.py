"""Create, change and delete agents."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from agents import connections
from agents.backends import registry
from agents.models import Agent
from mission_control.actions import validation
from mission_control.actions.activity import OBJECTS_AT_ONCE, affected_metadata, note
from mission_control.actions.locking import locked
from mission_control.errors import HasActiveRuns, Invalid
from mission_control.models import Activity, Assignment, Project, Run
from mission_control.runs.limits import read_limits
from mission_control.runs.quota_gates import record_account


def create(**fields: Any) -> Agent:
    """Create an agent. Raises Invalid for an unknown backend and for unknown options or limits."""
    agent = Agent(**fields)
    check(agent, {"name", "role", "backend", "metadata", *fields})
    with transaction.atomic():
        agent.save(force_insert=True)
        record_account(agent)
        note(Activity.Type.AGENT_STATUS_CHANGED, f"Agent created: {agent.name}, {agent.role}", agent=agent)
    return agent


def change(agent: Agent, **fields: Any) -> Agent:
    """Change the given fields. Locks the row. Raises Invalid as `create` does, and NotFound."""
    with transaction.atomic():
        agent = locked(agent)
        changes = {name: value for name, value in fields.items() if getattr(agent, name) != value}
        for name, value in changes.items():
            setattr(agent, name, value)
        check(agent, changes)
        if changes:
            agent.save(update_fields=[*changes, "session_key", "updated_at"])
            if {"backend", "backend_options"} & changes.keys():
                record_account(agent)
            message = (
                f"{agent.name} is now {agent.status}" if "status" in changes else f"Agent updated: {agent.name}"
            )
            note(
                Activity.Type.AGENT_STATUS_CHANGED, message, agent=agent, is_edit=bool(changes.keys() - {"status"})
            )
    return agent


def delete(agent: Agent) -> None:
    """Delete an agent; its runs are kept, with its name. Locks the row. Raises HasActiveRuns, NotFound."""
    with transaction.atomic():
        agent = locked(agent)
        if Run.objects.active().filter(agent=agent).exists():
            raise HasActiveRuns("Agent has an active run")
        tasks = Assignment.objects.filter(agent=agent).values_list("task_id", flat=True)[:OBJECTS_AT_ONCE]
        projects = Project.objects.filter(Q(team_agents=agent) | Q(planner_agent=agent)).values_list(
            "pk", flat=True
        )
        about = affected_metadata(tasks=tasks, projects=projects)
        note(Activity.Type.AGENT_STATUS_CHANGED, f"Agent deleted: {agent.name}", **about)
        agent.delete()


# ---------------------------------------------------------------- heartbeats
def heartbeat(agent: Agent) -> Agent:
    """Record a heartbeat. An agent that was offline or blocked becomes idle. Locks the row. Raises NotFound."""
    with transaction.atomic():
        agent = locked(agent)
        recovers = agent.status in (Agent.Status.OFFLINE, Agent.Status.BLOCKED)
        agent.last_heartbeat = timezone.now()
        if recovers:
            agent.status = Agent.Status.IDLE
        agent.save(update_fields=["last_heartbeat", "status", "updated_at"])
        note(Activity.Type.AGENT_HEARTBEAT, f"{agent.name} sent a heartbeat", agent=agent)
        if recovers:
            _note_status(agent)
    return agent


def mark_offline() -> None:
    """Set agents offline whose last heartbeat is older than HEARTBEAT_SECONDS; agents without one are ignored.

    Uses one conditional update per agent: concurrent calls are safe, and a heartbeat at the same moment wins.
    """
    limit = timezone.now() - timedelta(seconds=settings.HEARTBEAT_SECONDS)
    silent = Agent.objects.filter(last_heartbeat__lt=limit).exclude(status=Agent.Status.OFFLINE)
    for agent in silent:
        with transaction.atomic():
            if silent.filter(pk=agent.pk).update(status=Agent.Status.OFFLINE, updated_at=timezone.now()):
                agent.status = Agent.Status.OFFLINE
                _note_status(agent)


def _note_status(agent: Agent) -> None:
    note(Activity.Type.AGENT_STATUS_CHANGED, f"{agent.name} is now {agent.status}", agent=agent)


def check(agent: Agent, names: Collection[str]) -> None:
    """Raise Invalid if one of these fields has an invalid value."""
    validation.check(agent, names)
    if {"backend", "backend_options"} & set(names):
        check_backend(agent)
    if "metadata" in names:
        check_limits(agent)
    if "fallback_agent" in names:
        check_fallback(agent)


def check_backend(agent: Agent) -> None:
    """Raise Invalid for an unknown backend or for options that it does not accept."""
    connections.refresh()
    if agent.backend not in registry.names():
        raise Invalid("backend", f"Unknown backend. Available: {', '.join(registry.names())}.")
    try:
        registry.check_choices(agent.backend, agent.backend_options)
    except registry.OptionsError as error:
        raise Invalid("backend_options", f"{error}.") from None


def check_fallback(agent: Agent) -> None:
    """Raise Invalid if the chain of fallback agents comes back to the agent."""
    seen, following = {agent.pk}, agent.fallback_agent
    while following is not None:
        if following.pk == agent.pk:
            itself = following == agent.fallback_agent
            refusal = "An agent cannot be its own fallback." if itself else "The fallback agents form a circle."
            raise Invalid("fallback_agent_id", refusal)
        if following.pk in seen:  # a circle of others
            return
        seen.add(following.pk)
        following = following.fallback_agent


def check_limits(agent: Agent) -> None:
    """Raise Invalid for invalid limits in the agent's metadata."""
    if "limits" not in agent.metadata:
        return
    try:
        read_limits(agent.metadata["limits"])
    except ValueError as error:
        raise Invalid("metadata", str(error)) from None
