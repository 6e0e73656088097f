"""Accounts whose quota is used up. Every QuotaGate is written here."""

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from agents.backends import registry
from agents.models import Agent
from agents.redaction import shown_error
from mission_control.formatting import utc_time
from mission_control.models import QuotaGate, Run
from mission_control.models.quota import ACCOUNT_CHARS, account_name
from mission_control.text import storable

LONGEST_BACKOFF_SECONDS = 3_600
SHORTEST = timedelta(seconds=1)
MAX_DOUBLINGS = 10
# The fallbacks that a query follows: an agent's own, that one's, and so on.
FALLBACKS = ("agent__fallback_agent", "agent__fallback_agent__fallback_agent")
VALUES = ("closed_since", "closed_until", "reason", "is_reset_known")

logger = logging.getLogger(__name__)
_memberships = QuotaGate.agents.through.objects.all()
# Whether the quota of a run's agent is used up.
GATED_AGENT = Exists(_memberships.filter(agent=OuterRef("agent_id")))


_with_quota = Agent.objects.filter(~Exists(_memberships.filter(agent=OuterRef("pk"))))
# Agents whose quota is used up, without a fallback agent that may work (see `open_fallback`).
_stuck = _memberships.filter(~Exists(_with_quota.filter(pk__in=[OuterRef(agent) for agent in FALLBACKS])))


def without_quota(agent: str) -> Exists:
    """Match rows whose agent, named by this field, can neither work nor be replaced by a fallback agent."""
    return Exists(_stuck.filter(agent=OuterRef(agent)))


def close_gate(account: str, *, agent: Agent, reason: str, resets_at: datetime | None, is_test: bool) -> QuotaGate:
    """Close the account's gate until its quota resets, and return it.

    `is_test`: a run found out that was allowed to go first. Many runs may find out at the same time; the first
    decides, until its time has passed or a test says otherwise. All agents on the account are recorded, and runs
    that are parked for it already wait until the new time.
    """
    account = _key_of(account, agent)
    now = timezone.now()
    with transaction.atomic():
        first = QuotaGate(account=account, closed_since=now, reason=shown_error(storable(reason)))
        _set_time(first, resets_at, now)
        values = {name: getattr(first, name) for name in VALUES}
        gate, is_new = QuotaGate.objects.select_for_update().get_or_create(account=account, defaults=values)
        has_passed = gate.closed_until <= now
        if not is_new and (has_passed or (is_test and resets_at is not None)):
            gate.closings += has_passed and is_test  # any other run may have begun before the time came
            gate.reason = first.reason
            _set_time(gate, resets_at, now)
            gate.save()
        gate.agents.add(agent, *_agents_on(account))
        waiting = Run.objects.filter(status=Run.Status.PARKED, parked_for=Run.ParkedFor.QUOTA)
        waiting.filter(quota_account=account).update(resumes_at=gate.closed_until)
    logger.warning("the quota of %s is used up; its runs wait until %s", account, gate.closed_until)
    return gate


def _set_time(gate: QuotaGate, resets_at: datetime | None, now: datetime) -> None:
    gate.closed_until = closed_until(resets_at, closings=gate.closings, now=now)
    gate.is_reset_known = gate.closed_until == resets_at


def closed_until(resets_at: datetime | None, *, closings: int, now: datetime) -> datetime:
    """Return how long a gate is closed, whatever the provider said.

    A time that the provider named counts, up to the setting's longest wait. Without one, or with one in the past,
    the pause doubles with each closing, up to an hour. So does the shortest pause from the second closing on,
    because then the named time was wrong.
    """
    doublings = min(closings - 1, MAX_DOUBLINGS)
    backoff = timedelta(seconds=min(settings.PARK_RETRY_SECONDS * 2**doublings, LONGEST_BACKOFF_SECONDS))
    longest = now + timedelta(seconds=settings.MAX_PARK_SECONDS)
    if resets_at is None or resets_at <= now:
        return min(now + backoff, longest)
    return min(max(resets_at, now + (SHORTEST if closings == 1 else backoff)), longest)


def is_given_up(account: str, *, agent: Agent) -> bool:
    """Return whether the account's quota has been used up for longer than the setting's longest wait."""
    since = timezone.now() - timedelta(seconds=settings.MAX_PARK_SECONDS)
    return QuotaGate.objects.filter(account=_key_of(account, agent), closed_since__lte=since).exists()


def _key_of(account: str, agent: Agent) -> str:
    """Return the name under which an account is stored; one without a name has that of the agent's backend."""
    return storable(account)[:ACCOUNT_CHARS] or agent.backend


def open_gate(account: str) -> None:
    """Open the account's gate: its quota is available again."""
    if QuotaGate.objects.filter(account=account).delete()[0]:
        logger.info("the quota of %s is available again", account)


def record_account(agent: Agent) -> None:
    """Record which gate a new or changed agent waits for, in the caller's transaction."""
    if not QuotaGate.objects.exists():
        return
    account = registry.account_of(agent.backend, agent.backend_options)
    _memberships.filter(agent=agent).delete()
    for gate in QuotaGate.objects.filter(account=account):
        gate.agents.add(agent)


def open_fallback(agent: Agent | None) -> Agent | None:
    """Return the first agent in the chain of fallbacks that may work; None if there is none."""
    seen = set()
    while agent is not None and agent.pk not in seen:  # a circle, which two simultaneous changes can make
        seen.add(agent.pk)
        agent = agent.fallback_agent
        if agent is not None and agent.pk not in seen and not _memberships.filter(agent=agent).exists():
            return agent
    return None


def waits_for_quota(agents: Collection[UUID]) -> dict[UUID, str]:
    """Return for each of the agents without quota what it waits for, in the middle of a sentence.

    Those that a fallback agent can replace are left out.
    """
    if not agents:
        return {}
    found = _stuck.filter(agent__in=agents).values_list("agent", "quotagate", "quotagate__closed_until")
    return {agent: f"waits for {account_name(account)} until {utc_time(until)}" for agent, account, until in found}


def _agents_on(account: str) -> list[Agent]:
    """Return the agents that use the account, as far as their backends can say."""
    agents = Agent.objects.only("pk", "backend", "backend_options")
    return [agent for agent in agents if registry.account_of(agent.backend, agent.backend_options) == account]
