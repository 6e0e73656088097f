"""`manage.py connect`: allow programs for agents, and enter keys of providers."""

import sys
from getpass import getpass
from typing import Any

from django.core.management.base import CommandError, CommandParser

from mission_control.actions import connections
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

    def handle(
        self, *, allow: str | None, forbid: str | None, key: str | None, remove_key: str | None, **options: Any
    ) -> None:
        try:
            if allow:
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
