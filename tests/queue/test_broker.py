"""Which jobs may be taken from the queue."""

import inspect
import pickle

import pytest
from django.core.management import call_command
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule
from django_q.signing import SignedPackage
from django_q.tasks import async_task

from mission_control import hooks, jobs
from mission_control.queue.broker import JOBS, WakeupBroker, refusal_reason

EXECUTE = hooks.path_of(hooks.Hook.EXECUTE_RUN)


def test_every_job_of_the_product_is_accepted():
    own = {
        f"{jobs.__name__}.{name}"
        for name, function in inspect.getmembers(jobs, inspect.isfunction)
        if function.__module__ == jobs.__name__
    }
    assert own == JOBS
    assert EXECUTE in JOBS


def test_every_schedule_of_the_migrations_is_accepted(db):
    call_command("migrate", verbosity=0)
    assert set(Schedule.objects.values_list("func", flat=True)) <= JOBS


@pytest.mark.parametrize(
    "job",
    [
        {"func": "os.system", "args": ("true",)},
        {"func": "mission_control.jobs.execute", "args": ()},
        {"func": ["mission_control.jobs.execute_run"]},
        {"func": print},
        {"func": EXECUTE, "hook": "os.system"},
        {"func": EXECUTE, "chain": [("os.system", ("true",), {})]},
        {},
        "no job",
    ],
)
def test_any_other_function_is_refused(job):
    assert refusal_reason(SignedPackage.dumps(job))


def test_a_job_that_is_not_ours_is_refused_unread():
    assert "not signed" in refusal_reason(pickle.dumps({"func": EXECUTE}).hex())


def test_a_refused_job_leaves_the_queue_and_the_next_is_taken(transactional_db, caplog):
    broker = WakeupBroker(list_key=Conf.CLUSTER_NAME)
    OrmQ.objects.all().delete()
    async_task("os.system", "true", broker=broker)
    assert broker.take() is None
    assert not OrmQ.objects.exists()
    assert "'os.system' is not a job of this product" in caplog.text
