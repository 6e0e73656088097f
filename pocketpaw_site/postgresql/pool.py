"""A connection pool that recovers at once when PostgreSQL comes back.

psycopg's own pool hands out one dead connection after another, each after a pause twice as long, and also doubles
the pause between attempts to connect: after a restart of one second, requests failed for up to two minutes.
"""

import time
from typing import Any

from psycopg import Connection, Error
from psycopg_pool import ConnectionPool, PoolTimeout

RECONNECT_SECONDS = 1.0  # the pause between two attempts to connect, however long the outage lasts


class RecoveringPool(ConnectionPool[Connection[Any]]):
    """Checks each connection before it is handed out, and replaces all dead ones when it finds the first."""

    def __init__(self, **options: Any) -> None:
        # Giving up early and starting again keeps the pause constant: the pool doubles it within one attempt.
        super().__init__(
            open=False, reconnect_timeout=RECONNECT_SECONDS, reconnect_failed=_connect_again, **options
        )

    def getconn(self, timeout: float | None = None) -> Connection[Any]:
        """Return a connection that answers. Raises PoolTimeout."""
        seconds = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + seconds
        while True:
            try:
                connection = super().getconn(max(deadline - time.monotonic(), 0.001))
            except PoolTimeout:
                raise PoolTimeout(f"couldn't get a connection after {seconds:.2f} sec") from None
            try:
                self.check_connection(connection)
            except Error:
                connection.close()
                self.putconn(connection)  # which replaces it
                self.check()
            except BaseException:
                self.putconn(connection)
                raise
            else:
                return connection


def _connect_again(pool: ConnectionPool[Any]) -> None:
    pool.check()  # opens a connection, unless one is being opened or the pool is full
