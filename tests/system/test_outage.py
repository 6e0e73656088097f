"""After an outage of the database the product is back to normal: no later request is affected by it."""

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import pytest

from tests.product import Product, server_environment
from tests.servers import PostgreSQL

pytestmark = [pytest.mark.system, pytest.mark.server]
HEALTHY_SECONDS = 10.0  # on a busy machine


def test_requests_after_a_restart_of_postgresql_do_not_meet_its_dead_connections(tmp_path_factory):
    postgresql = PostgreSQL(Path(tempfile.mkdtemp(prefix="mission-control-postgresql-")))
    environment = server_environment(postgresql.url, os.environ["REDIS_URL"])
    product = Product(tmp_path_factory.mktemp("pool"), **environment).start()
    try:

        def status(_: int) -> int:
            return product.client.get("/tasks").status_code

        with ThreadPoolExecutor(40) as clients:
            assert set(clients.map(status, range(80))) == {200}  # now the pool has many connections
            postgresql.stop()
            postgresql.start()
            begun = time.monotonic()
            answers = [clients.submit(status, number) for number in range(80)]
            first = next(as_completed(answers)).result()
            assert (first, time.monotonic() - begun < HEALTHY_SECONDS) == (200, True)
            assert {answer.result() for answer in answers} == {200}
    finally:
        product.stop()
        postgresql.stop()
