"""Health and readiness: answered without a login."""

import threading
import time
from importlib import import_module

import pytest
from django.db import OperationalError
from django.test import Client

from mission_control import __version__
from mission_control.health import disk, readiness
from mission_control.runs.workers import forget_group, send_heartbeat
from tests import make


@pytest.fixture(autouse=True)
def database(transactional_db):
    """Use real transactions, because each part is checked on a connection of its own."""


@pytest.fixture
def client():
    return Client()


@pytest.mark.parametrize("path", ["/healthz", "/healthz/"])
def test_healthz_needs_no_login_and_no_database(client, path, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = client.get(path)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "version": __version__})


@pytest.mark.parametrize("path", ["/readyz", "/readyz/"])
def test_readyz_is_ready_with_a_live_worker_only(client, path):
    answer = client.get(path)
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "unavailable",
        "database": "ok",
        "channel_layer": "ok",
        "worker": "no worker is alive",
        "disk": "ok",
        "migrations": "ok",
        "version": __version__,
    }
    send_heartbeat()
    answer = client.get(path)
    assert answer.status_code == 200
    parts = dict.fromkeys(["database", "channel_layer", "worker", "disk", "migrations"], "ok")
    assert answer.json() == {"status": "ok", **parts, "version": __version__}
    forget_group()
    assert client.get(path).status_code == 503


def test_readyz_names_both_versions_when_another_version_has_migrated_the_database(client):
    send_heartbeat()
    with make.migrated_by_a_newer_version():
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["migrations"].startswith(f"this is version {__version__} (schema ")
    assert "(schema 9999_from_the_future): update this installation" in answer.json()["migrations"]


def test_readyz_says_that_redis_does_not_answer(client, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    import_module("mission_control.queue.redis")  # or the checking thread could import it after the test
    send_heartbeat()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["channel_layer"]) == (503, "does not answer")


def test_readyz_says_that_the_database_does_not_answer(client, monkeypatch):
    def refuse():
        raise OperationalError("no connection to /secret/path")

    with monkeypatch.context() as patch:
        patch.setattr("django.db.backends.base.base.BaseDatabaseWrapper.cursor", lambda _: refuse())
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["database"]) == (503, "does not answer")
    assert "secret" not in answer.content.decode()


def test_question_that_hangs_is_asked_once_however_many_wait_and_anew_when_it_was_answered():
    begun, go_on = [], threading.Event()

    def hang():
        begun.append(1)
        go_on.wait(20)
        return {"part": "ok"}

    question = readiness.PendingCheck(hang, {"part": "does not answer"})
    for _ in range(3):
        question.start()
        assert question.answer(time.monotonic() + 0.05) == {"part": "does not answer"}
    assert len(begun) == 1
    go_on.set()
    assert question.answer(time.monotonic() + 20) == {"part": "ok"}
    question.start()
    assert question.answer(time.monotonic() + 20) == {"part": "ok"}
    assert len(begun) == 2


def test_readyz_says_that_the_disk_is_full(client, monkeypatch):
    send_heartbeat()
    monkeypatch.setattr(disk, "NEEDED_BYTES", 2**62)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["disk"]) == (503, "full")
