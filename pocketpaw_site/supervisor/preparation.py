"""The preparation of `up`: database, limit, first user and token, sample project, orphaned runs."""

import logging
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import Error, connections, transaction

from mission_control.actions import sample
from mission_control.health.versions import OlderSchema, check_schema
from mission_control.models import Capacity
from mission_control.runs.reaper import recover
from mission_control.runs.workers import folder_id
from pocketpaw_site.environment import SetupError
from pocketpaw_site.supervisor import database
from pocketpaw_site.supervisor.access import LoginInfo, prepare_login, prepare_token
from pocketpaw_site.supervisor.terminal import say, say_isolation, say_runs

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """The result of the preparation, to be printed when ready."""

    login: LoginInfo
    token_file: Path | None


def prepare() -> Prepared:
    """Migrate the database and create the first objects. Raises SetupError with a one-line message."""
    try:
        return _prepare()
    except Error as error:
        logger.debug("the database cannot be prepared", exc_info=True)
        raise SetupError(f"the database cannot be prepared: {database.first_line(error)}") from None
    except OSError as error:
        raise SetupError(f"the data folder {settings.DATA_DIR} cannot be used: {error.strerror}") from None
    finally:
        connections.close_all()


def apply_limit(configured: int) -> None:
    """Write the environment's limit of runs into the database, unless the same value was written before.

    So a new value in the environment applies from the next start on, and a change in the admin survives restarts.
    """
    row = Capacity.current()
    if row.applied_setting != configured:
        Capacity.objects.filter(pk=row.pk).update(limit=configured, applied_setting=configured)
    elif row.limit != configured:
        say(
            f"The limit of runs is {row.limit}, as set in the admin; "
            f"MISSION_CONTROL_MAX_CONCURRENT_TASKS={configured} was applied at an earlier start."
        )


def _prepare() -> Prepared:
    with database.preparation_lock():
        say("Preparing the database.")
        with suppress(OlderSchema):  # `migrate` updates it below
            check_schema()
        call_command("migrate", verbosity=0, interactive=False, skip_checks=False)
        if settings.MAX_CONCURRENT_TASKS_GIVEN:
            apply_limit(settings.MAX_CONCURRENT_TASKS)
        with transaction.atomic():
            login = prepare_login()
            if login.first_password and settings.SAMPLE_PROJECT:
                say("Creating the first user and a sample project.")
                sample.create()
        token_file = prepare_token()
    say_isolation(settings.AGENT_ISOLATION)
    say_runs("Ended because its worker is gone", recover(folder_id()) or [])
    return Prepared(login, token_file)
