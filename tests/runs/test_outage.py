"""A database that is away for a moment: runs wait for it, and the log says only what came true."""

import logging
import threading
import uuid
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.db.models import Q
from django_q.conf import Conf
from django_q.models import OrmQ

from mission_control.broker import DoorbellBroker
from mission_control.models import Deliverable, Run
from mission_control.runs.admission import admit
from mission_control.runs.execution import execute
from mission_control.runs.lifecycle import claim, finish
from tests.servers import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def away(model):
    """Take a table away for a while: whoever uses it gets a database error."""
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
        wait_until(lambda: "the database does not take it" in caplog.text, what="the worker to be patient")
    worker.join(30)

    run.refresh_from_db()
    assert (run.status, run.error) == ("completed", "")


def test_a_claim_whose_answer_was_lost_is_found_by_its_token_and_by_no_other(agent, task):
    run, token = admit(task, agent), uuid.uuid4()
    claimed = claim(run.pk, worker="mine", token=token)

    assert claim(run.pk, worker="mine", token=token) == claimed
    assert claim(run.pk, worker="another") is None


def test_the_queue_is_waited_for_while_the_database_is_away(agent, task, caplog):
    """At an error django-q2 ends the process that takes jobs, ten seconds later, and the one that acknowledges."""
    admit(task, agent)
    broker = DoorbellBroker(list_key=Conf.CLUSTER_NAME)
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
