"""`manage.py connect`: allow programs for agents, enter keys of providers, and install the SDK for Claude."""

import sys
from getpass import getpass
from typing import Any

from django.core.management.base import CommandError, CommandParser

from agents.backends.claude import installer
from agents.backends.claude.installer import InstallFailed, TerminalProgress
from mission_control.actions import connections, sdk_installations
from mission_control.errors import Refusal
from mission_control.management.base import DatabaseCommand

READ_CHARS = 4_000  # of standard input; a longer text is no key


class Command(DatabaseCommand):
    help = (
        "Without arguments, list the programs that agents may run and the keys of providers. A key is read from "
        "standard input, or without echo from a terminal, so that it is in no list of processes and no history. "
        "Exit status: 0 done, 1 refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        group = parser.add_mutually_exclusive_group()
        group.add_argument("--allow", metavar="PROGRAM", help="let agents run it, for example claude")
        group.add_argument("--forbid", metavar="PROGRAM", help="take that back")
        group.add_argument("--key", metavar="VARIABLE", help="store a key, for example OPENAI_API_KEY")
        group.add_argument("--remove-key", metavar="VARIABLE", help="delete a stored key")

        group.add_argument("--install", choices=["claude"], help="install the SDK for Claude, with progress")

    def handle(
        self,
        *,
        allow: str | None,
        forbid: str | None,
        key: str | None,
        remove_key: str | None,
        install: str | None,
        **options: Any,
    ) -> None:
        try:
            if install:
                self.install_sdk()
            elif allow:
                connections.allow_program(allow, by=None)
            elif forbid:
                connections.forbid_program(forbid, by=None)
            elif key:
                connections.set_key(key, self.read_key(key), by=None)
            elif remove_key:
                connections.remove_key(remove_key, by=None)
        except Refusal as refusal:
            raise CommandError(refusal.detail, returncode=1) from None
        self.print_all()

    def install_sdk(self) -> None:
        """Install the SDK in this process and write an activity. Raises CommandError."""
        with TerminalProgress(sys.stdout) as progress:
            try:
                installer.install(progress, with_cli=installer.needs_cli())
            except InstallFailed as failure:
                progress.end()
                sdk_installations.record_by_command(str(failure))
                raise CommandError(f"The SDK for Claude is not installed. {failure}", returncode=1) from None
        sdk_installations.record_by_command("")

    def read_key(self, variable: str) -> str:
        try:
            return getpass(f"{variable}: ") if sys.stdin.isatty() else sys.stdin.read(READ_CHARS)
        except (EOFError, UnicodeDecodeError):
            raise CommandError("There is no key on standard input.", returncode=1) from None

    def print_all(self) -> None:
        for title, found in (("Programs", connections.programs()), ("Keys", connections.provider_keys())):
            self.stdout.write(title)
            for one in found:
                end = f", ends in {one.last_four}" if one.last_four else ""
                unreadable = "" if one.is_readable else ", cannot be read: enter it again"
                source = f"by {one.source}{end}{unreadable}" if one.source else "no"
                self.stdout.write(f"  {one.name} ({one.title}): {source}")
        self.stdout.write(f"SDK for Claude: {'no' if installer.is_missing() else 'installed'}")
