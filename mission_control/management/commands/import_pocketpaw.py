"""`manage.py import_pocketpaw DIR`: import the files of PocketPaw's Mission Control."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import IntegrityError

from mission_control.interchange.reader import FILES, read_folder
from mission_control.interchange.report import Report
from mission_control.management.base import DatabaseCommand

NOT_ALL = 2


class Command(DatabaseCommand):
    help = (
        "Import PocketPaw's JSON files from a folder. Ids and times are kept, and the import can be repeated. "
        "Prints a line for each entry that cannot be imported as it is. Exit status: 0 everything was imported, "
        "2 not everything, 1 the import did not start."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", help=f"the folder with {', '.join(FILES)}; some may be missing")

    def handle(self, *, folder: str, **options: Any) -> None:
        path = Path(folder)
        if not path.is_dir():
            raise CommandError(f"there is no folder '{folder}'")
        if not any((path / file).exists() for file in FILES):
            raise CommandError(f"the folder '{folder}' has none of {', '.join(FILES)}")
        report = Report(self.stdout.write)
        try:
            read_folder(path, report)
        except IntegrityError:
            raise CommandError("the data was changed here during the import: import again") from None
        for line in report.summary():
            self.stdout.write(line)
        if report.losses:
            raise CommandError(f"problems listed above: {report.losses}", returncode=NOT_ALL)
