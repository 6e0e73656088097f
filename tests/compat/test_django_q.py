"""The interfaces of django-q2 that `compat/django_q.py` and `compat/django_q_cluster.py` use still exist."""

import inspect

from django_q import cluster, pusher
from django_q.brokers import Broker
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from mission_control.compat import django_q
from tests.compat.expect import changed, expect_attributes, expect_parameters

PACKAGE, SEAM, CLUSTER_SEAM = "django-q2", "compat/django_q.py", "compat/django_q_cluster.py"


def test_the_broker_has_the_methods_that_ours_overrides_or_calls():
    expect_parameters(PACKAGE, Broker.__init__, ["self", "list_key"], SEAM)
    expect_parameters(PACKAGE, ORM.enqueue, ["self", "task"], SEAM)
    expect_parameters(PACKAGE, ORM.dequeue, ["self"], SEAM)
    expect_parameters(PACKAGE, ORM.acknowledge, ["self", "task_id"], SEAM)
    expect_parameters(PACKAGE, ORM.timeout, ["self", "task"], SEAM)


def test_the_queue_has_the_columns_that_are_read_and_written():
    columns = {field.name for field in OrmQ._meta.get_fields()}
    assert {"id", "key", "payload", "lock"} <= columns, changed(PACKAGE, SEAM, f"OrmQ has the columns {columns}")


def test_the_configuration_has_what_is_read_and_set():
    expect_attributes(PACKAGE, Conf, ["ORM", "CLUSTER_NAME", "BULK", "POLL", "RETRY", "WORKERS"], SEAM)


def test_a_signed_job_is_read_back():
    job = {"func": "mission_control.jobs.execute_run", "args": ("1",)}
    assert django_q.read_job(SignedPackage.dumps(job)) == job


def test_a_cluster_has_the_process_that_is_watched_and_reads_the_number_of_workers_when_it_starts():
    expect_parameters(PACKAGE, cluster.Cluster.__init__, ["self", "broker"], CLUSTER_SEAM)
    expect_parameters(PACKAGE, cluster.Cluster.start, ["self"], CLUSTER_SEAM)
    expect_parameters(PACKAGE, cluster.Cluster.stop, ["self"], CLUSTER_SEAM)
    starts = inspect.getsource(cluster.Cluster.start)
    assert "self.sentinel =" in starts, changed(PACKAGE, CLUSTER_SEAM, "Cluster.start sets no `sentinel`")
    assert "Conf.WORKERS" in inspect.getsource(cluster.Sentinel), changed(
        PACKAGE, CLUSTER_SEAM, "the sentinel does not read Conf.WORKERS"
    )


def test_the_pusher_still_ends_at_an_error_of_the_broker():
    handler = inspect.getsource(pusher.pusher).partition("broker.dequeue()")[2][:300]
    assert "except Exception" in handler and "break" in handler, changed(
        PACKAGE,
        SEAM,
        "an error in `dequeue` is handled otherwise; does WakeupBroker.dequeue still need to catch it?",
    )
