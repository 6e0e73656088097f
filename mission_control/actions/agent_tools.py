"""The tools of an agent: its MCP servers, the operator's skills, and what its projects' folders contain for it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User

from agents import connections
from agents.backends import registry
from agents.backends.base import BackendError
from agents.backends.mcp_servers.definitions import McpServer, servers_of
from agents.backends.mcp_servers.starting import Checked
from agents.backends.mcp_servers.starting import check_servers as start_each
from agents.instructions import find_instructions
from agents.models import Agent
from agents.skills import Skill, find_skills
from mission_control.errors import OperatorDecides
from mission_control.models import Project

SHOWN_PROJECTS = 10


@dataclass(frozen=True, slots=True)
class FolderTools:
    """What the working folder of a project has for its agents."""

    project: Project
    instructions: Sequence[str] = ()
    skills: Sequence[Skill] = ()
    notices: Sequence[str] = field(default_factory=list)


def may_check(user: User | AnonymousUser) -> bool:
    """Return whether the user may start the agents' servers for a check."""
    return bool(user.is_active and user.is_superuser)


def mcp_servers(agent: Agent) -> list[McpServer]:
    """Return the MCP servers of the agent; none if its options are invalid."""
    try:
        registry.check_options(agent.backend, agent.backend_options)
    except BackendError:
        return []
    return servers_of(agent.backend_options)


def check_servers(agent: Agent, *, by: User | None) -> list[Checked]:
    """Start each of the agent's MCP servers once on this machine; return its tools, or why it failed.

    Takes up to half a minute. Raises OperatorDecides.
    """
    if by is None or not may_check(by):
        raise OperatorDecides("Only a superuser can start the servers of an agent for a check")
    connections.refresh()
    if not mcp_servers(agent):
        return []
    folder = settings.DATA_DIR / "scratch" / str(agent.pk)
    folder.mkdir(parents=True, exist_ok=True)
    return asyncio.run(start_each(agent.backend_options, folder))


def operators_skills() -> tuple[Sequence[Skill], Sequence[str]]:
    """Return the skills of the operator's folder, and sentences about those that cannot be used."""
    found = find_skills(None, settings.SKILLS_DIR)
    return found.skills, found.notices


def of_projects(agent: Agent) -> list[FolderTools]:
    """Return what the folders of the agent's newest projects have for it; those without anything are left out."""
    found = []
    for project in Project.objects.filter(team_agents=agent).order_by("-created_at", "id")[:SHOWN_PROJECTS]:
        read, listed = find_instructions(project.folder), find_skills(project.folder, None)
        one = FolderTools(
            project, [file.name for file in read.files], listed.skills, [*read.notices, *listed.notices]
        )
        if one.instructions or one.skills or one.notices:
            found.append(one)
    return found
