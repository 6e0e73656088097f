"""After the database was away nothing is left of it: no request pays for what happened before."""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.product import Product, server_environment
from tests.servers import PostgreSQL

pytestmark = [pytest.mark.system, pytest.mark.server]


def test_requests_after_a_restart_of_postgresql_do_not_meet_its_dead_connections(tmp_path_factory):
    postgresql = PostgreSQL(Path(tempfile.mkdtemp(prefix="mission-control-postgresql-")))
    environment = server_environment(postgresql.url, os.environ["REDIS_URL"])
    product = Product(tmp_path_factory.mktemp("pool"), **environment).start()
    try:

        def status(_: int) -> int:
            return product.client.get("/tasks").status_code

        with ThreadPoolExecutor(10) as clients:
            assert set(clients.map(status, range(60))) == {200}  # now the pool holds several connections
            postgresql.stop()
            postgresql.start()
            assert set(clients.map(status, range(60))) == {200}
    finally:
        product.stop()
        postgresql.stop()
