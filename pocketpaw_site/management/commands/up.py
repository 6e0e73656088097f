"""`manage.py up`: serve everything until a stop signal."""

import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from pocketpaw_site.supervisor import folder
from pocketpaw_site.supervisor.address import Address
from pocketpaw_site.supervisor.handover import Handover, hand_over
from pocketpaw_site.supervisor.preparation import prepare
from pocketpaw_site.supervisor.signals import Signals
from pocketpaw_site.supervisor.terminal import say, worker_count


class Command(BaseCommand):
    help = "Serve Mission Control: prepare the data folder, start the web server and a worker, keep them alive."
    requires_system_checks = ()  # the preparation runs them

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.HOST, help="address to listen on (HOST)")
        parser.add_argument("--port", default=settings.PORT, type=int, help="port to listen on (PORT)")
        parser.add_argument("--workers", type=worker_count, help="worker processes (MISSION_CONTROL_WORKERS)")

    def handle(self, *, host: str, port: int, workers: int | None, **options: Any) -> None:
        signals = Signals()
        if workers is not None:
            os.environ["MISSION_CONTROL_WORKERS"] = str(workers)  # for the worker that is started later
        say(f"Mission Control, data in {settings.DATA_DIR}")
        folder.check(settings.DATA_DIR)
        lock = folder.FolderLock(settings.DATA_DIR)
        address = Address.listen(host, port)
        prepared = prepare()
        signals.wait(0)
        if signals.stops:
            say("Stopped.")
            return
        hand_over(
            Handover(
                host=address.host,
                listener=address.socket.fileno(),
                lock=lock.fileno(),
                login=str(prepared.login),
                token=str(prepared.token_file or "none"),
            )
        )
