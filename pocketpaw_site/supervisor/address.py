"""Where the product listens. The socket is `up`'s own: daphne may die and come back, and nobody is refused."""

import contextlib
import errno
import http.client
import select
import socket
from typing import Self

from pocketpaw_site.environment import SetupError

BACKLOG = 1024
WILDCARDS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


class Address:
    """A listening socket and how people reach it."""

    def __init__(self, host: str, listener: socket.socket) -> None:
        self.host = host
        self.socket = listener
        self.port: int = listener.getsockname()[1]

    @classmethod
    def listen(cls, host: str, port: int) -> Self:
        """Listen. Raises SetupError, saying what to do, when the address cannot be had."""
        host = host.strip("[]")
        return cls(host, _listen(host, port))

    @property
    def reachable_host(self) -> str:
        """The host to connect to from this machine."""
        return WILDCARDS.get(self.host, self.host)

    @property
    def url(self) -> str:
        host = self.reachable_host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


class Probe:
    """Finds out when GET of a path that any Host may ask for succeeds, without waiting for it.

    One request stays open until it is answered: the listening socket takes it before there is a server, and one
    that was hung up meanwhile would be the first thing that the server complains of.
    """

    ANSWER_SECONDS = 5

    def __init__(self, address: Address, path: str) -> None:
        self.address = address
        self.path = path
        self._asked: http.client.HTTPConnection | None = None

    def succeeds(self) -> bool:
        """Tell whether the answer has come and is a success; after any other answer ask anew."""
        try:
            if self._asked is None:
                self._asked = self._ask()
            if not select.select([self._asked.sock], [], [], 0)[0]:
                return False
            asked, self._asked = self._asked, None
            with contextlib.closing(asked):
                return asked.getresponse().status < 400
        except (OSError, http.client.HTTPException):
            self._asked = None
            return False

    def _ask(self) -> http.client.HTTPConnection:
        host, port = self.address.reachable_host, self.address.port
        connection = http.client.HTTPConnection(host, port, timeout=self.ANSWER_SECONDS)
        connection.request("GET", self.path)
        return connection


def _listen(host: str, port: int) -> socket.socket:
    try:
        infos = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, place = infos[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" else 1)
        listener.bind(place)
        listener.listen(BACKLOG)
    except OSError as error:
        raise SetupError(_trouble(error, host, port)) from None
    return listener


def _trouble(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use; choose another with PORT=…"
    if error.errno == errno.EACCES:
        return f"port {port} needs root; choose one above 1023 with PORT=…"
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"this machine has no address {host}; choose another with HOST=…"
    return f"cannot listen on {host}, port {port}: {error.strerror}"
