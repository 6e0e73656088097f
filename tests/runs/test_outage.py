"""A database that is unavailable for a moment: runs wait for it, and the log contains only what happened."""

import logging
import threading
import time
import uuid
from contextlib import contextmanager

import pytest
from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError, connection, transaction
from django.db.models import Q
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ

from mission_control.models import Deliverable, Run, WorkerGroup
from mission_control.queue.broker import WakeupBroker
from mission_control.runs.admission import admit
from mission_control.runs.execution import execute
from mission_control.runs.lifecycle import claim, finish
from mission_control.runs.outcomes import failure
from mission_control.runs.preparation import workdir_of
from mission_control.runs.reaper import Reaper
from tests import backends, make
from tests.servers import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def away(model):
    """Rename a table for a while, so that its users get a database error."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO away")
        try:
            yield
        finally:
            cursor.execute(f"ALTER TABLE away RENAME TO {table}")


def work(run: Run) -> None:
    try:
        execute(run.pk)
    finally:
        connection.close()


@pytest.mark.parametrize("model", [Run, Deliverable], ids=["claimed", "prepared"])
def test_a_run_that_cannot_be_begun_while_the_database_is_away_waits_for_it(agent, task, caplog, model):
    run = admit(task, agent)
    worker = threading.Thread(target=work, args=[run])
    with away(model):
        worker.start()
        wait_until(lambda: "a database call failed" in caplog.text, what="the worker to be patient")
    worker.join(30)

    run.refresh_from_db()
    assert (run.status, run.error) == ("completed", "")


@pytest.fixture
def silent(settings):
    settings.MISSION_CONTROL_BACKENDS = backends.NAMES
    return make.agent(backend="silent")


def test_a_worker_that_cannot_renew_its_lease_cancels_its_own_agent_and_the_run_is_started_again(
    silent, settings, caplog
):
    settings.LEASE_SECONDS = 1.0
    elsewhere = {"group": "b", "host": "beta", "pid": 7, "key_fingerprint": "x"}
    WorkerGroup.objects.create(**elsewhere, beat_at=timezone.now())
    task = make.task(project=make.project(status="executing"), assignees=[silent])
    run = Run.objects.filter(task=task).first() or admit(task, silent)
    worker = threading.Thread(target=work, args=[run])
    worker.start()
    wait_until(lambda: Run.objects.get(pk=run.pk).last_seq > 1, what="the first output")
    with away(Run):
        cancelled = workdir_of(run) / "cancelled"
        wait_until(cancelled.exists, what="the agent to be cancelled while the database is away")
        assert "the lease could not be renewed" in caplog.text
    worker.join(30)

    run.refresh_from_db()
    assert (run.status, run.end_cause) == ("error", "database_lost")
    assert (run.error, run.output) == ("The worker lost its database", "thinking about it")
    assert run.reported_end_cause == "worker_lost"  # as the API lists it
    assert Run.objects.active().filter(task=task).exclude(pk=run.pk).exists()
    cancelled.unlink()


def test_where_one_machine_works_an_outage_beyond_the_lease_harms_no_run_and_leaves_two_lines(settings, caplog):
    settings.LEASE_SECONDS = 0.5
    run = admit(make.task(), make.agent(backend_options={"chunks": 30, "delay_seconds": 0.05}))
    worker = threading.Thread(target=work, args=[run])
    worker.start()
    wait_until(lambda: Run.objects.get(pk=run.pk).last_seq > 1, what="the first output")
    with away(Run):
        wait_until(lambda: "a database call failed" in caplog.text, what="the writer to be patient")
        since = time.monotonic()
        wait_until(lambda: time.monotonic() - since > 1.2, what="more attempts")
    worker.join(30)

    run.refresh_from_db()
    assert (run.status, run.output.count("] ")) == ("completed", 30)
    assert caplog.text.count("a database call failed") == caplog.text.count("the database call succeeded") == 1


@pytest.mark.parametrize(
    "error",
    [
        OperationalError('connection to server at "10.0.0.7", port 5432 failed: Connection refused'),
        InterfaceError("the connection to 10.0.0.7 is closed"),
        ProgrammingError('relation "secret" does not exist, SELECT 1 AT 10.0.0.7'),
        ConnectionRefusedError(111, "Connect call failed ('10.0.0.7', 6379)"),
    ],
)
def test_no_error_names_an_internal_address_or_what_was_asked_of_the_database(error):
    for of_agent in (True, False):
        assert "10.0.0.7" not in failure(error, of_agent=of_agent).error
    assert failure(RuntimeError("see 10.0.0.7"), of_agent=False).error == "Unexpected failure: RuntimeError"


def test_a_reaper_that_could_not_look_itself_holds_no_silence_against_a_worker(agent, task, settings):
    settings.LEASE_SECONDS = 0.5
    run = claim(admit(task, agent).pk, worker="folder/group/elsewhere/1-1")
    reaper, since = Reaper(), time.monotonic()
    reaper.tick()
    with away(Run), pytest.raises(DatabaseError):
        wait_until(lambda: time.monotonic() - since > 0.6, what="the lease's length")
        reaper.tick()
    reaper.tick()

    run.refresh_from_db()
    assert run.status == "running"
    wait_until(lambda: reaper.tick() or Run.objects.get(pk=run.pk).status == "error", what="silence that it saw")


def test_a_claim_whose_answer_was_lost_is_found_by_its_token_and_by_no_other(agent, task):
    run, token = admit(task, agent), uuid.uuid4()
    claimed = claim(run.pk, worker="mine", token=token)

    assert claim(run.pk, worker="mine", token=token) == claimed
    assert claim(run.pk, worker="another") is None


def test_the_queue_is_waited_for_while_the_database_is_away(agent, task, caplog):
    """At an error django-q2 ends the process that fetches jobs, ten seconds later, and the acknowledging one."""
    admit(task, agent)
    broker = WakeupBroker(list_key=Conf.CLUSTER_NAME)
    with away(OrmQ):
        assert (broker.dequeue(), broker.dequeue()) == (None, None)
        broker.acknowledge(1)
    assert caplog.text.count("the queue cannot be read") == 1

    [(key, _)] = broker.dequeue()
    broker.acknowledge(key)
    assert not OrmQ.objects.exists()


def test_an_end_that_is_rolled_back_is_not_logged(agent, task, caplog):
    caplog.set_level(logging.INFO)
    run = admit(task, agent)
    with pytest.raises(ConnectionError), transaction.atomic():
        assert finish(run.pk, Run.Status.STOPPED, guard=Q())
        raise ConnectionError

    assert "ended: stopped" not in caplog.text
    assert finish(run.pk, Run.Status.STOPPED, guard=Q())
    assert "ended: stopped" in caplog.text
