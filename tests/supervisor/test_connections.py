"""The start reports whether PostgreSQL allows enough connections, with the sum."""

import pytest
from django.utils import timezone

from mission_control.models import WorkerGroup
from pocketpaw_site.supervisor.connections import OWN_CONNECTIONS, allowed_connections, warn_of_few_connections

pytestmark = pytest.mark.django_db


@pytest.mark.server
def test_too_few_connections_are_warned_of_with_the_sum(settings, caplog):
    settings.DATABASE_POOL_SIZE = 20
    WorkerGroup.objects.create(
        group="b", host="beta", pid=7, beat_at=timezone.now(), key_fingerprint="x", workers=51
    )
    allowed = allowed_connections()
    assert allowed == 197  # tests/servers.py allows 200, of which PostgreSQL keeps three for superusers
    fits = allowed - 20 - (51 + OWN_CONNECTIONS) - OWN_CONNECTIONS
    warn_of_few_connections(fits)
    assert caplog.text == ""

    warn_of_few_connections(fits + 1)
    assert "PostgreSQL allows 197 connections, and 198 may be needed" in caplog.text
    assert f"this worker {fits + 1 + OWN_CONNECTIONS}, other workers 56, each web process 20" in caplog.text
    assert "--workers" in caplog.text


@pytest.mark.embedded
def test_sqlite_has_no_such_limit(caplog):
    warn_of_few_connections(1_000)
    assert caplog.text == ""
