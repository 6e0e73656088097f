"""Several machines: a run names the one that ran it, and what only another can run is refused in clear words."""

from datetime import timedelta

import pytest
from django.utils import timezone

from mission_control import files
from mission_control.models import Capacity, Run, WorkerGroup
from mission_control.runs.admission import admit
from mission_control.runs.execution import execute
from mission_control.runs.workers import beat, other_hosts
from pocketpaw_site.supervisor.preparation import apply_limit
from tests import make


@pytest.fixture
def alpha(settings):
    settings.HOST_NAME = "alpha"


@pytest.fixture
def beta():
    """A worker of another machine that is alive."""
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


def test_an_agent_that_only_another_host_may_run_is_refused_in_words_that_name_this_one(alpha, beta):
    agent = make.agent(backend="command", backend_options={"command": "claude"})
    run = carried_out(agent)
    assert (run.status, run.end_cause) == ("error", "failed")
    assert run.error.startswith("The host alpha cannot run this agent. ")
    assert "MISSION_CONTROL_COMMANDS" in run.error

    WorkerGroup.objects.update(beat_at=timezone.now() - timedelta(minutes=5))  # now this machine is alone
    assert "alpha" not in carried_out(agent).error


def test_workers_of_this_host_are_no_other_host(alpha, beta):
    beat(3)
    assert other_hosts() == ["beta"]
    assert WorkerGroup.objects.get(host="alpha").workers == 3


def test_the_files_of_a_project_may_be_on_the_hosts_that_ran_its_agents(alpha, agent, settings):
    run = carried_out(agent)
    settings.HOST_NAME = "gamma"
    assert files.hosts_of(run.project) == ([] if settings.EMBEDDED_DATABASE else ["alpha"])
    settings.EMBEDDED_DATABASE = False
    assert files.hosts_of(run.project) == ["alpha"]
    settings.HOST_NAME = "alpha"
    assert files.hosts_of(run.project) == []


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
