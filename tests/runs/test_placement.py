"""Several machines: a run names the one that ran it; runs that only another can execute are refused clearly."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from mission_control.models import Capacity, Run, WorkerGroup
from mission_control.queries import project_files
from mission_control.queue.broker import WakeupBroker
from mission_control.runs.admission import admit
from mission_control.runs.execution import execute
from mission_control.runs.workers import other_hosts, send_heartbeat
from pocketpaw_site.supervisor.preparation import apply_limit
from tests import backends, make
from tests.servers import wait_until


@pytest.fixture
def alpha(settings):
    settings.HOST_NAME = "alpha"


@pytest.fixture
def beta():
    """Provide a live worker on another machine."""
    now = timezone.now()
    WorkerGroup.objects.create(group="b", host="beta", pid=7, beat_at=now, key_fingerprint="x", workers=6)


def carried_out(agent) -> Run:
    run = admit(make.task(project=make.project()), agent)
    assert run.host == ""
    execute(run.pk)
    run.refresh_from_db()
    return run


def test_a_run_names_the_host_that_ran_it(alpha, agent):
    assert carried_out(agent).host == "alpha"


def test_where_one_machine_works_the_backends_own_words_say_what_is_missing(alpha, beta):
    WorkerGroup.objects.update(beat_at=timezone.now() - timedelta(minutes=5))  # beta is gone
    run = carried_out(make.agent(backend="command", backend_options={"command": "claude"}))
    assert run.status == "error"
    assert "MISSION_CONTROL_COMMANDS" in run.error and "alpha" not in run.error


def test_a_host_that_lacks_what_an_agent_needs_leaves_its_run_to_one_that_may_have_it(alpha, beta, settings):
    settings.MISSION_CONTROL_BACKENDS = backends.NAMES
    agent = make.agent(backend="scripted", backend_options={"events": [["message", "done"]]})
    run = admit(make.task(), agent)
    OrmQ.objects.all().delete()

    settings.MISSION_CONTROL_BACKENDS = {}  # the settings on alpha
    for _ in range(2):  # it may fetch the job again
        execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.declined_hosts) == ("queued", ["alpha"])
    assert all(job.lock > timezone.now() for job in OrmQ.objects.all())
    broker = WakeupBroker(list_key=Conf.CLUSTER_NAME)
    assert broker.take() is None
    job = wait_until(broker.take, what="the job to be offered again")
    assert str(run.pk) in str(SignedPackage.loads(job[0][1])["args"])

    settings.HOST_NAME, settings.MISSION_CONTROL_BACKENDS = "beta", backends.NAMES
    WorkerGroup.objects.update(host="alpha")
    execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.host, run.output) == ("completed", "beta", "done")


def test_a_run_that_every_host_declines_ends_with_the_reason(alpha, beta, settings):
    run = admit(make.task(), make.agent(backend="command", backend_options={"command": "claude"}))
    execute(run.pk)
    settings.HOST_NAME = "beta"
    WorkerGroup.objects.update(host="alpha")
    execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.end_cause, run.host) == ("error", "failed", "beta")
    assert run.error.startswith("The host beta cannot run this agent. ")
    assert "MISSION_CONTROL_COMMANDS" in run.error


def test_workers_of_this_host_are_no_other_host(alpha, beta):
    send_heartbeat(3)
    assert other_hosts() == ["beta"]
    assert WorkerGroup.objects.get(host="alpha").workers == 3


def test_the_files_of_a_project_may_be_on_the_hosts_that_ran_its_agents(alpha, agent, settings):
    run = carried_out(agent)
    settings.HOST_NAME = "gamma"
    assert project_files.hosts_of(run.project) == ([] if settings.EMBEDDED_DATABASE else ["alpha"])
    settings.EMBEDDED_DATABASE = False
    assert project_files.hosts_of(run.project) == ["alpha"]
    settings.HOST_NAME = "alpha"
    assert project_files.hosts_of(run.project) == []


def test_a_limit_in_the_environment_is_applied_once_and_does_not_undo_the_admins_change(capsys):
    apply_limit(7)
    assert Capacity.current().limit == 7

    Capacity.objects.update(limit=9)  # as the admin does
    apply_limit(7)
    assert Capacity.current().limit == 9
    assert "The limit of runs is 9, as set in the admin; MISSION_CONTROL_MAX_CONCURRENT_TASKS=7" in (
        capsys.readouterr().out
    )

    apply_limit(3)  # a new value in the environment
    assert Capacity.current().limit == 3
