"""`manage.py export_pocketpaw DIR`: export everything as PocketPaw's files."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from mission_control.interchange.writer import write_folder
from mission_control.management.base import DatabaseCommand


class Command(DatabaseCommand):
    help = "Export agents, projects, tasks, documents, messages, the feed and notifications as PocketPaw's files."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", help="created if missing; files with these names are replaced")

    def handle(self, *, folder: str, **options: Any) -> None:
        try:
            counts = write_folder(Path(folder).absolute())
        except OSError as error:
            raise CommandError(f"'{folder}' cannot be written: {error.strerror}") from None
        for file, number in counts.items():
            self.stdout.write(f"{file}: {number}")
