"""`manage.py web`: one web process with this product's options."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from pocketpaw_site.supervisor.address import Address
from pocketpaw_site.supervisor.terminal import say


class Command(BaseCommand):
    help = "Serve the pages, the API and the sockets: one web process. Any number of these, on any machine."
    requires_system_checks = ()  # run below unless `up` has run them

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.HOST, help="address to listen on (HOST)")
        parser.add_argument("--port", default=settings.PORT, type=int, help="port to listen on (PORT)")
        parser.add_argument(
            "--fd", type=int, metavar="NUMBER", help="serve on a socket that is already listening, as `up` does"
        )

    def handle(self, *, host: str, port: int, fd: int | None, **options: Any) -> None:
        address = None
        if fd is None:
            self.check()
            address = Address.listen(host, port)
            fd = address.socket.fileno()
            say(f"Web server on {address.url}{settings.ROOT_PATH}, data in {settings.DATA_DIR}. Ctrl-C stops it.")
        from pocketpaw_site.web_server import serve

        serve(fd)
        if address is not None:
            say("Stopped.")
