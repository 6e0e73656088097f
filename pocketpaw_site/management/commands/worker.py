"""`manage.py worker`: run tasks, on this machine or on one of several."""

import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from mission_control.runs.worker_group import GROUP_VARIABLE
from pocketpaw_site.supervisor.database import wait_briefly
from pocketpaw_site.supervisor.parentage import bind_forks_to_parents, bind_to_parent
from pocketpaw_site.supervisor.signals import Signals
from pocketpaw_site.supervisor.terminal import say, say_isolation, worker_count
from pocketpaw_site.supervisor.watchdog import Watchdog


class Command(BaseCommand):
    help = "Run tasks: a cluster of workers, a reaper and a watchdog. Any number of these, on any machine."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--workers",
            type=worker_count,
            default=settings.WORKERS or None,
            help="worker processes (MISSION_CONTROL_WORKERS; default: one more than the limit of runs)",
        )

    def handle(self, *, workers: int | None, **options: Any) -> None:
        signals = Signals()
        by_hand = not bind_to_parent()
        if by_hand:
            os.environ.pop(GROUP_VARIABLE, None)  # it may be inherited, for example from a worker's agent
            say(f"Worker, data in {settings.DATA_DIR}. Ctrl-C stops it.")
            say_isolation(settings.AGENT_ISOLATION)
        bind_forks_to_parents()
        wait_briefly()
        Watchdog(signals, fixed_workers=workers).run()
        if by_hand:
            say("Stopped.")
