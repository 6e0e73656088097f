"""The address of the product. `up` owns the listening socket, so no client is refused while daphne restarts."""

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
    """A listening socket and its URL."""

    def __init__(self, host: str, listener: socket.socket) -> None:
        self.host = host
        self.socket = listener
        self.port: int = listener.getsockname()[1]

    @classmethod
    def listen(cls, host: str, port: int) -> Self:
        """Listen on the address. Raises SetupError with advice if that is not possible."""
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
    """Checks without blocking whether GET of a path, which accepts any Host, succeeds.

    One request stays open until it is answered: the listening socket accepts it before the server runs, and a
    request that was closed early would be the server's first error.
    """

    ANSWER_SECONDS = 5

    def __init__(self, address: Address, path: str) -> None:
        self.address = address
        self.path = path
        self._connection: http.client.HTTPConnection | None = None

    def succeeds(self) -> bool:
        """Return whether a successful answer has arrived; after any other answer send a new request."""
        try:
            if self._connection is None:
                self._connection = self._send_request()
            if not select.select([self._connection.sock], [], [], 0)[0]:
                return False
            connection, self._connection = self._connection, None
            with contextlib.closing(connection):
                return connection.getresponse().status < 400
        except (OSError, http.client.HTTPException):
            self._connection = None
            return False

    def _send_request(self) -> http.client.HTTPConnection:
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
