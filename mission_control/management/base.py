"""The base class of commands that use the database."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from mission_control.health.disk import describe_failure
from mission_control.health.versions import WrongSchema, check_schema


class DatabaseCommand(BaseCommand):
    """A command that exits with a one-line message if the database cannot be used.

    That is, if it has the schema of another version, does not answer, or the disk is full.
    """

    no_database_status = 1  # the exit status in that case

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            check_schema()
            return super().execute(*args, **options)
        except WrongSchema as wrong:
            raise CommandError(str(wrong), returncode=self.no_database_status) from None
        except Error as error:
            raise CommandError(describe_failure(error), returncode=self.no_database_status) from None
