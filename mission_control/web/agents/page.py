"""The data of the agents page: each agent's current runs, the results of its recent runs, and its backend.

What can run depends on the connections, which a view refreshes before it calls these functions.
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Max, QuerySet
from django.utils import timezone
from django.utils.safestring import SafeString

from agents.backends import registry
from agents.models import Agent
from agents.protection import protection
from mission_control.actions.agent_tests import test_task_id
from mission_control.formatting import clock, dollars, duration, full_count, percent, seconds_since, short_count
from mission_control.models import Run, RunEvent, Task
from mission_control.models.agents import with_runs
from mission_control.models.search import has_text
from mission_control.web.project.timeline import SUMS
from mission_control.web.shared.markdown import rendered
from mission_control.web.shared.states import State, run_state

LATELY = timedelta(days=7)
SHOWN_RUNS = 10
SHOWN_CHARS = 20_000
GOOD, FAIR = 80, 50  # percent of ended runs that completed
STATE_ICONS = {"idle": "s-assigned", "active": "r-running", "blocked": "s-blocked", "offline": "s-offline"}
DOCS = {  # backend: page of the documentation
    "demo": "backends",
    "claude_agent_sdk": "backends/claude",
    **dict.fromkeys(["pydantic_ai", "openai_agents", "google_adk"], "backends/pydantic_ai"),
    **dict.fromkeys(["command", "codex_cli", "opencode", "copilot_sdk"], "backends/command"),
    "acp": "backends/acp",
}


@dataclass(frozen=True, slots=True)
class AgentRow:
    """An agent as the list shows it. `spent` has the totals of its runs of the last seven days."""

    agent: Any  # as `with_runs` annotates it
    active: Sequence[Run]
    spent: dict[str, Any]
    missing: str

    @property
    def state(self) -> State:
        status, number = self.agent.derived_status, self.agent.running_count
        word = status.capitalize()
        if number:
            word = f"Active, {number} run{'s' if number > 1 else ''}"
        return State(status, word, STATE_ICONS[status])

    @property
    def now(self) -> Run | None:
        """Return the agent's first active run: a running one, else a queued or waiting one."""
        return self.active[0] if self.active else None

    @property
    def more(self) -> int:
        return max(len(self.active) - 1, 0)

    @property
    def ended(self) -> int:
        return int(self.spent.get("completed", 0) + self.spent.get("failed", 0))

    @property
    def success(self) -> int | None:
        return round(self.spent["completed"] / self.ended * 100) if self.ended else None

    @property
    def success_shown(self) -> str:
        return percent(self.spent["completed"], self.ended)

    @property
    def colour(self) -> str:
        rate = self.success or 0
        return "green" if rate >= GOOD else "amber" if rate >= FAIR else "red"

    @property
    def cost(self) -> str:
        return dollars(self.spent.get("cost_usd"))

    @property
    def tokens(self) -> str:
        parts = [self.spent.get(name) for name in ("tokens_in", "tokens_out")]
        return short_count(None if parts == [None, None] else sum(part or 0 for part in parts))

    @property
    def runs_on(self) -> str:
        command = self.agent.backend_options.get("command") if self.agent.backend in ("command", "acp") else None
        return f"{self.agent.backend}: {command}" if command else self.agent.backend


def listed(words: str) -> QuerySet[Agent]:
    """Return the agents whose name, role or backend contains the words."""
    words = words.replace("\x00", "")
    found = with_runs()
    return found.filter(has_text(words, "name", "role", "backend")) if words else found


def rows(agents: Iterable[Agent]) -> list[AgentRow]:
    """Return the rows of agents that `with_runs` has annotated. Two queries for any number of agents."""
    agents = list(agents)
    keys = [agent.pk for agent in agents]
    active: dict[uuid.UUID | None, list[Run]] = defaultdict(list)
    in_order = {Run.Status.RUNNING: 0, Run.Status.QUEUED: 1}
    found = Run.objects.active().light().filter(agent__in=keys)
    for run in sorted(found, key=lambda run: (in_order.get(Run.Status(run.status), 2), run.queued_at)):
        active[run.agent_id].append(run)
    since = timezone.now() - LATELY
    recent = Run.objects.filter(agent__in=keys, finished_at__gte=since).order_by()
    spent: dict[Any, Any] = {one["agent"]: one for one in recent.values("agent").annotate(**SUMS)}
    return [
        AgentRow(
            agent,
            active[agent.pk],
            spent.get(agent.pk, {}),
            registry.missing_for(agent.backend, agent.backend_options) or "",
        )
        for agent in agents
    ]


def missing_for(backend: str, options: dict[str, Any]) -> str:
    """Return what is missing before an agent with these options can run; empty if nothing is."""
    return registry.missing_for(backend, options) or ""


def quoted(text: str) -> list[tuple[str, bool]]:
    """Split a text at its backticks. Pieces between backticks are marked True."""
    return [(piece, bool(number % 2)) for number, piece in enumerate(text.split("`")) if piece]


def protection_here() -> dict[str, Any]:
    """Return what protects this machine from the programs of agents, for `_protection.html`."""
    found = protection(settings.AGENT_ISOLATION)
    return {"title": found.title, "words": quoted(found.text)}


# ---------------------------------------------------------------- backends
@dataclass(frozen=True, slots=True)
class BackendRow:
    """A backend, why it cannot run (`reason`, empty if it can), and how many agents use it."""

    name: str
    title: str
    reason: str
    used_by: int
    is_default: bool
    capabilities: Sequence[str] = field(default_factory=list)

    @property
    def is_ready(self) -> bool:
        return not self.reason

    @property
    def is_quiet(self) -> bool:
        """Return whether the backend is not set up and no agent uses it."""
        return not self.is_ready and not self.used_by

    @property
    def docs(self) -> str:
        """Return the backend's page in the documentation; empty if there is none."""
        return DOCS.get(self.name, "")

    @property
    def words(self) -> list[tuple[str, bool]]:
        """Return the reason in pieces; True marks text that the user has to type."""
        return quoted(self.reason)

    @property
    def state(self) -> State:
        if self.is_quiet:
            return State("offline", "Not set up", "s-offline")
        if not self.is_ready:
            return State("missing", "Not set up", "r-error")
        return State("ok", "Ready", "r-completed")


def backends(default: str) -> list[BackendRow]:
    """Return all backends, those that can run first. One query."""
    used = Counter(Agent.objects.order_by().values_list("backend", flat=True))
    found = [
        BackendRow(
            name=one["name"],
            title=one["display_name"],
            reason=one["reason"] or "",
            used_by=used[one["name"]],
            is_default=one["name"] == default,
            capabilities=["MCP" if name == "mcp" else name for name in one["capabilities"]],
        )
        for one in registry.describe()
    ]
    return sorted(found, key=lambda one: bool(one.reason))


def preselected(found: Sequence[BackendRow]) -> str:
    """Return the backend that a new agent's form selects: the default if it is ready, else the first ready one.

    The demo backend comes last: it calls no model.
    """
    default = next((one for one in found if one.is_default), None)
    ready = [one.name for one in sorted(found, key=lambda one: one.name == "demo") if one.is_ready]
    if default is None or (ready and not default.is_ready):
        return ready[0] if ready else ""
    return default.name


def grouped(found: Sequence[BackendRow]) -> list[tuple[str, list[BackendRow]]]:
    """Return backends as groups for a select: those that are ready, then those that need setup."""
    groups = [
        ("Ready", [one for one in found if one.is_ready]),
        ("Needs setup", [one for one in found if not one.is_ready]),
    ]
    return [(name, members) for name, members in groups if members]


# ---------------------------------------------------------------- one agent
@dataclass(frozen=True, slots=True)
class AgentRun:
    """A run in the history of an agent."""

    run: Run

    @property
    def state(self) -> State:
        return run_state(self.run)

    @property
    def elapsed_seconds(self) -> float | None:
        return seconds_since(self.run.started_at or self.run.queued_at) if self.run.is_active else None

    @property
    def time(self) -> str:
        seconds = self.elapsed_seconds
        return clock(self.run.duration_seconds if seconds is None else seconds)

    @property
    def tokens(self) -> str:
        parts = [self.run.usage.get(name) for name in ("input_tokens", "output_tokens")]
        known = [part for part in parts if isinstance(part, int)]
        return short_count(sum(known) if known else None)

    @property
    def cost(self) -> str:
        cost = self.run.usage.get("cost_usd")
        return dollars(cost if isinstance(cost, int | float) else None)


def history(agent: Agent) -> list[AgentRun]:
    """Return an agent's newest runs. One query."""
    return [
        AgentRun(run) for run in Run.objects.light().filter(agent=agent).order_by("-queued_at", "id")[:SHOWN_RUNS]
    ]


@dataclass(frozen=True, slots=True)
class Test:
    """The newest test of an agent: its run, and the answer so far."""

    run: Run
    answer: str

    @property
    def state(self) -> State:
        state = run_state(self.run)
        if self.run.status == Run.Status.COMPLETED and self.run.duration_seconds is not None:
            return State(state.status, f"Answered in {duration(self.run.duration_seconds)}", state.icon)
        return state

    @property
    def html(self) -> SafeString:
        return rendered(self.answer)

    @property
    def usage(self) -> str:
        used = self.run.usage
        tokens = [f"{full_count(used[key])} {word}" for key, word in _USED if isinstance(used.get(key), int)]
        cost = used.get("cost_usd")
        paid = [dollars(cost)] if isinstance(cost, int | float) else []
        return ", ".join([*filter(None, [used.get("model")]), *tokens, *paid])


_USED = (("input_tokens", "tokens in"), ("output_tokens", "out"))


def last_test(agent: Agent) -> Test | None:
    """Return the newest test of the agent, with its answer so far; None if there was no test."""
    task = Task.objects.filter(pk=test_task_id(agent)).select_related("last_run").first()
    if task is None or task.last_run is None:
        return None
    return Test(task.last_run, spoken_text(task.last_run))


def spoken_text(run: Run) -> str:
    """Return the end of the text that a run's agent has written so far."""
    newest = RunEvent.objects.filter(run=run).aggregate(last=Max("seq"))["last"] or 0
    messages = RunEvent.objects.filter(run=run, type=RunEvent.Type.MESSAGE, seq__gt=newest - 200).order_by("seq")
    return "".join(messages.values_list("content", flat=True))[-SHOWN_CHARS:]
