"""How a message that a person writes on a task's page reaches an agent: of the active run, or with a new one."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from agents.models import Agent
from mission_control.actions.comments import handles_of
from mission_control.actions.permissions import Rights
from mission_control.models import Run, Task
from mission_control.runs.messages import delivery_to
from mission_control.web.task.rows import AgentChoice


@dataclass(frozen=True, slots=True)
class Reach:
    """The agent that a message reaches, and how: "live", "next_turn", "follow_up", or "" for no agent."""

    how: str = ""
    agent: Agent | None = None
    names: dict[str, str] = field(default_factory=dict)  # of the agents, by the handles of their mentions

    @classmethod
    def of(cls, task: Task, choices: Sequence[AgentChoice], may: Rights) -> Self:
        """Return how a message without a mention reaches an agent."""
        run = task.last_run
        agents = [choice.agent for choice in choices]
        names = {handle: agent.name for agent in reversed(agents) for handle in handles_of(agent.name)}
        if run is not None and run.is_active:
            agent = next((agent for agent in agents if agent.pk == run.agent_id), None)
            if agent is None or not may.message_run:
                return cls()
            return cls(delivery_to(Run(status=run.status, agent=agent)), agent, names)
        if task.task_type != Task.Type.AGENT or not may.run_task or not agents:
            return cls()
        return cls("follow_up", partner_of(task, agents), names)

    @property
    def starts_a_run(self) -> bool:
        return self.how == "follow_up"

    @property
    def names_json(self) -> str:
        return json.dumps(self.names)

    @property
    def sentence(self) -> str:
        """Return what happens to a message, for the line below the field."""
        if self.agent is None:
            return "It is kept in the thread."
        name = self.agent.name
        if self.how == "live":
            return f"Reaches {name} live."
        if self.how == "next_turn":
            return f"Reaches {name} at its next turn."
        return f"Send keeps it for the next run. Send and run starts a new run of {name}."


def partner_of(task: Task, agents: Sequence[Agent]) -> Agent:
    """Return the agent with which a conversation goes on: that of the last run, else the first assignee."""
    keys = [task.last_run.agent_id if task.last_run else None, *task.assignee_ids]
    by_key = {agent.pk: agent for agent in agents}
    return next((by_key[key] for key in keys if key in by_key), agents[0])
