"""`manage.py check_agents`: which agents can run, what the others lack, and how agents are isolated."""

import asyncio
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from agents import connections, isolation
from agents.backends import registry
from agents.backends.base import BackendError
from agents.backends.programs.inside import files_inside, tools_inside
from agents.discovery.scan import scan
from agents.models import Agent
from agents.protection import Level, protection
from mission_control.actions import agent_tools
from mission_control.management.base import DatabaseCommand
from mission_control.terminal import terminal_text

SHOWN_MODELS = 5


class Command(DatabaseCommand):
    help = (
        "Report for each backend and agent whether it can run now, on this machine and in this environment, what "
        "is missing, and how agents' programs are isolated. Exit status: 0 if all agents can run, 1 if not, 74 or "
        "141 if the output cannot be written."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--quiet", action="store_true", help="show only what is missing")

    def handle(self, *, quiet: bool, **options: Any) -> None:
        self.quiet = quiet
        self.lacking = 0
        connections.refresh()
        self.title("Backends")
        for entry in registry.describe():
            self.tell(f"{entry['name']} ({entry['display_name']})", entry["reason"])
        self.print_found()
        self.title("Isolation")
        self.print_isolation()
        self.print_view()
        self.title("Agents")
        for agent in Agent.objects.order_by("name", "id"):
            reason = missing_for(agent)
            self.lacking += reason is not None
            self.tell(f"{agent.name} ({agent.backend})", reason)
            for server in agent_tools.mcp_servers(agent):
                if problem := server.problem():
                    self.stdout.write(terminal_text(f"  !  {agent.name}, MCP server {server.name}: {problem}"))
        if self.lacking:
            raise CommandError(f"{self.lacking} of the agents cannot run", returncode=1)

    def print_found(self) -> None:
        if self.quiet or not settings.FIND_AGENTS:
            return
        self.title("Found on this machine")
        found = scan(settings.FIND_MODEL_SERVERS)
        for one in found:
            details = ", ".join(filter(None, [one.detail, *one.models[:SHOWN_MODELS]]))
            subject = f"{one.shown_title} ({details})" if details else one.shown_title
            self.tell(subject, None if one.is_usable else one.advice)
        if not found:
            self.stdout.write("  nothing: no known program, no key, no model server")

    def print_view(self) -> None:
        """Print what a program of an agent sees: the protection, tools, folders, and the network."""
        if self.quiet:
            return
        self.title("What agents see")
        found = protection(settings.AGENT_ISOLATION)
        self.line(f"{found.title}. {found.text}")
        if found.level == Level.REFUSED:
            return
        try:
            tools = asyncio.run(tools_inside())
        except BackendError as error:
            self.tell("a look from inside", str(error))
        else:
            for tool in tools:
                self.line(f"  {' '.join(filter(None, [tool.name, tool.version]))} ({tool.path})")
        if found.level == Level.SANDBOX:
            self.print_folders()
        self.line('network: that of this machine, unless a program\'s definition says `"network": false`')

    def print_folders(self) -> None:
        files = files_inside()
        self.line("read and write: the project's folder; /tmp and the home folder, which are empty for each run")
        for path in files.readable:
            self.line(f"read only: {path}")
        for path in files.writable:
            self.line(f"read and write: {path}")
        self.line(f"caches of each project's tools, read and write: {settings.CACHES_DIR}/<project>")
        hidden = len(files.closed)
        self.line(f"hidden: all else in the home folder, with {hidden} known places of logins and keys")

    def line(self, text: str) -> None:
        self.stdout.write(f"  {terminal_text(text)}")

    def print_isolation(self) -> None:
        setting = settings.AGENT_ISOLATION
        try:
            how = isolation.method(setting)
        except isolation.IsolationError as error:
            self.tell(
                f"MISSION_CONTROL_AGENT_ISOLATION={setting}", f"{error}; agents that run programs cannot run"
            )
            return
        if how != "none":
            self.tell(f"agents' programs are isolated by {how}", None)
            if problem := isolation.folder_problem(how, settings.PROJECTS_DIR):
                self.tell("the folders of the projects", problem)
        for warning in isolation.warnings(setting):
            self.stdout.write(self.style.WARNING(f"  !  {warning}"))

    def title(self, words: str) -> None:
        if not self.quiet:
            self.stdout.write(words)

    def tell(self, subject: str, reason: str | None) -> None:
        subject, reason = terminal_text(subject), reason and terminal_text(reason)
        if reason is not None:
            self.stdout.write(f"  no {subject}: {reason}")
        elif not self.quiet:
            self.stdout.write(f"  ok {subject}")


def missing_for(agent: Agent) -> str | None:
    """Return why a run of the agent would fail at its start; None if it would not."""
    try:
        registry.check_options(agent.backend, agent.backend_options)
    except BackendError as error:
        return str(error)
    return registry.missing_for(agent.backend, agent.backend_options)
