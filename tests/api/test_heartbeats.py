"""Heartbeats: an agent that sent one and then fell silent is offline; no other agent is."""

from datetime import timedelta
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.queues import Queue
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler
from django_q.signing import SignedPackage
from django_q.worker import worker

from agents.models import Agent
from mission_control.actions import agents
from mission_control.models import Activity
from mission_control.queue.broker import WakeupBroker
from tests import make
from tests.api.answers import NOBODY
from tests.api.conftest import Api

migration = import_module("mission_control.migrations.0004_notifications")


def silent(seconds: float, **fields) -> Agent:
    """Create an agent whose last heartbeat was that many seconds ago."""
    agent = make.agent(**fields)
    Agent.objects.filter(pk=agent.pk).update(last_heartbeat=timezone.now() - timedelta(seconds=seconds))
    return agent


def status(agent: Agent) -> str:
    return Agent.objects.get(pk=agent.pk).status


def changes(agent: Agent) -> list[str]:
    lines = Activity.objects.filter(agent=agent, type="agent_status_changed").order_by("number")
    return [line.message for line in lines][1:]  # without the entry of its creation


def test_a_heartbeat_is_noted(api):
    agent = make.agent(name="Ada")
    shown = api.post(f"agents/{agent.pk}/heartbeat").json()["agent"]
    assert (shown["id"], shown["status"]) == (str(agent.pk), "idle")
    assert timezone.now() - Agent.objects.get().last_heartbeat < timedelta(minutes=1)
    assert shown["last_heartbeat"].endswith("Z")
    line = Activity.objects.first()
    assert (line.type, line.agent) == ("agent_heartbeat", agent)


@pytest.mark.parametrize(
    ("before", "after"), [("offline", "idle"), ("blocked", "idle"), ("active", "active"), ("idle", "idle")]
)
def test_a_heartbeat_makes_an_offline_or_blocked_agent_idle(api, before, after):
    agent = make.agent(name="Ada", status=before)
    assert api.post(f"agents/{agent.pk}/heartbeat").json()["agent"]["status"] == after
    assert changes(agent) == ([] if before == after else ["Ada is now idle"])


def test_who_fell_silent_is_offline_and_it_is_told_once(settings):
    settings.HEARTBEAT_SECONDS = 300
    gone, busy = silent(301, name="Gone"), silent(1_000, name="Busy", status="blocked")
    here, never = silent(200, name="Here"), make.agent(name="Never")
    for _ in range(2):
        agents.mark_offline()
    assert [status(agent) for agent in (gone, busy, here, never)] == ["offline", "offline", "idle", "idle"]
    assert [changes(agent) for agent in (gone, here, never)] == [["Gone is now offline"], [], []]

    agents.heartbeat(gone)
    agents.mark_offline()
    assert status(gone) == "idle"


def test_an_agent_that_gives_a_sign_while_others_are_set_offline_stays(settings):
    first, second = silent(10_000, name="A"), silent(10_000, name="B")

    def sign_of_life(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and first.pk.hex in str(params).replace("-", ""):
            Agent.objects.filter(pk=second.pk).update(last_heartbeat=timezone.now())
        return execute(sql, params, many, context)

    with connection.execute_wrapper(sign_of_life):
        agents.mark_offline()
    assert (status(first), status(second)) == ("offline", "idle")
    assert changes(second) == []


def test_an_offline_agent_still_runs(api):
    agent = make.agent(status="offline")
    answer = api.post(f"tasks/{make.task().pk}/run", {"agent_id": str(agent.pk)})
    assert answer.status_code == 200
    assert api.get(f"agents/{agent.pk}").json()["agent"]["status"] == "active"


@pytest.mark.parametrize("key", [NOBODY, "x"])
def test_the_heartbeat_of_an_unknown_agent_is_404(api, key):
    answer = api.post(f"agents/{key}/heartbeat")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Agent not found"})


def test_the_permission_decides_about_a_heartbeat():
    path = f"agents/{make.agent().pk}/heartbeat"
    assert Api(make.user(may=["agents.view_agent", "agents.add_agent"])).post(path).status_code == 403
    assert Api(make.user(may=["agents.change_agent"])).post(path).status_code == 200


# ---------------------------------------------------------------- the schedule
@pytest.fixture
def schedule(transactional_db) -> Schedule:
    """Create the schedule as the migration does, also after a test that emptied the tables.

    Uses real transactions, because django-q2 closes connections.
    """
    for _ in range(2):
        migration.schedule(apps, None)
    return Schedule.objects.get(func=migration.MARK_OFFLINE)


def work_off() -> list[str]:
    """Run the queued jobs as a cluster's worker does, and return their results."""
    jobs = [SignedPackage.loads(payload) for payload in OrmQ.objects.values_list("payload", flat=True)]
    context = get_context()
    queue: Queue[Any] = context.Queue()
    results: Queue[Any] = context.Queue()
    for job in [*jobs, "STOP"]:
        queue.put(job)
    worker(queue, results, context.Value("f", -1), timeout=30)
    return [f"{job['func']} {job['success']}" for job in (results.get(timeout=60) for _ in jobs)]


def test_the_schedule_sets_silent_agents_offline(schedule, settings):
    assert settings.Q_CLUSTER["catch_up"] is Conf.CATCH_UP is False
    agent = silent(settings.HEARTBEAT_SECONDS + 1)
    broker = WakeupBroker(list_key=Conf.CLUSTER_NAME)
    Schedule.objects.update(next_run=timezone.now() - timedelta(hours=3))
    for _ in range(2):  # every cluster checks the schedule; missed hours are not caught up
        scheduler(broker)
    assert OrmQ.objects.filter(key=Conf.CLUSTER_NAME).count() == 1
    schedule.refresh_from_db()
    assert timezone.now() < schedule.next_run <= timezone.now() + timedelta(minutes=1)
    assert (schedule.repeats, schedule.minutes) == (-1, 1)

    assert status(agent) == "idle"
    assert work_off() == ["mission_control.jobs.mark_offline True"]
    assert status(agent) == "offline"
