"""`manage.py up`: serve everything, until a signal says stop."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from pocketpaw_site.supervisor import folder
from pocketpaw_site.supervisor.address import Address
from pocketpaw_site.supervisor.database import wait_briefly
from pocketpaw_site.supervisor.preparation import Prepared, prepare_apart
from pocketpaw_site.supervisor.product import Product
from pocketpaw_site.supervisor.signals import Signals
from pocketpaw_site.supervisor.terminal import say


class Command(BaseCommand):
    help = "Serve Mission Control: prepare the data folder, start the web server and a worker, keep them alive."
    requires_system_checks = ()  # the preparation makes them, in a process that ends

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.HOST, help="address to listen on (HOST)")
        parser.add_argument("--port", default=settings.PORT, type=int, help="port to listen on (PORT)")

    def handle(self, *, host: str, port: int, **options: Any) -> None:
        signals = Signals()
        say(f"Mission Control, data in {settings.DATA_DIR}")
        folder.check(settings.DATA_DIR)
        lock = folder.FolderLock(settings.DATA_DIR)
        address = Address(host, port)
        prepared = prepare_apart()
        wait_briefly()
        product = Product(address, signals)
        try:
            say("Starting the web server and a worker.")
            if product.start():
                say_ready(address, prepared)
                product.keep()
        finally:
            product.stop()
            lock.release()
        say("Stopped.")


def say_ready(address: Address, prepared: Prepared) -> None:
    """Say where it is and how to log in."""
    say()
    say("Mission Control is ready.")
    say(f"  Address  {address.url}")
    say(f"  Login    {prepared.login}")
    say(f"  Token    {prepared.token_file or 'none'}")
    say("  Ctrl-C stops it.")
    say()
