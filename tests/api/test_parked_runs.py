"""Clients see what a parked run waits for, and let it continue."""

import uuid
from datetime import timedelta

import pytest
from django.db.models import Q
from django.utils import timezone

from mission_control.models import Run
from mission_control.runs.lifecycle import claim
from mission_control.runs.parking import Parking, park
from tests import make

IN_AN_HOUR = timezone.now() + timedelta(hours=1)


@pytest.fixture
def run(transactional_db) -> Run:
    run = claim(make.run().pk, worker="test")
    parking = Parking("quota", "The quota of Claude is used up.", IN_AN_HOUR, quota_account="claude")
    assert run is not None and park(run.pk, parking, guard=Q(claim_token=run.claim_token))
    return run


def test_parked_run_is_shown_with_its_reason_and_time(api, run):
    shown = api.get(f"runs/{run.pk}").json()["run"]
    assert (shown["status"], shown["parked_for"], shown["end_cause"]) == ("parked", "quota", None)
    assert shown["resumes_at"] == IN_AN_HOUR.isoformat().replace("+00:00", "Z")
    task = api.get(f"tasks/{run.task_id}").json()["task"]
    assert (task["status"], task["active_run_id"]) == ("in_progress", str(run.pk))
    assert api.get("tasks/running").json()["count"] == 0
    assert api.get("runs", status="parked", parked_for="quota").json()["count"] == 1
    assert api.get("runs", parked_for="question").json()["count"] == 0


def test_parked_run_is_tried_at_once_and_only_once(api, run):
    answer = api.post(f"runs/{run.pk}/resume").json()
    assert (answer["status"], answer["run"]["status"], answer["run"]["parked_for"]) == ("started", "queued", None)
    again = api.post(f"runs/{run.pk}/resume")
    assert (again.status_code, again.json()) == (409, {"detail": "The run does not wait for a quota"})


def test_another_agent_takes_a_parked_run_over(api, run):
    other = make.agent(name="Second")
    shown = api.post(f"runs/{run.pk}/resume", {"agent_id": str(other.pk)}).json()["run"]
    assert (shown["agent_id"], shown["agent_name"], shown["id"]) == (str(other.pk), "Second", str(run.pk))


def test_unknown_agent_is_refused_and_the_run_stays_parked(api, run):
    wrongs: list[object] = [str(uuid.uuid4()), "x", 3, []]
    for wrong in wrongs:
        assert api.post(f"runs/{run.pk}/resume", {"agent_id": wrong}).status_code == 400
    assert Run.objects.get(pk=run.pk).status == "parked"


def test_parked_run_is_stopped_at_once(api, run):
    assert api.post(f"tasks/{run.task_id}/stop").json()["status"] == "stopped"


def test_fallback_agent_is_named_and_a_circle_is_refused(api):
    first, second = make.agent(), make.agent()
    path = f"agents/{first.pk}"
    assert api.patch(path, {"fallback_agent_id": str(second.pk)}).json()["agent"]["fallback_agent_id"] == str(
        second.pk
    )
    refused = api.patch(f"agents/{second.pk}", {"fallback_agent_id": str(first.pk)})
    assert refused.status_code == 400 and "circle" in str(refused.json())
    assert api.patch(path, {"fallback_agent_id": None}).json()["agent"]["fallback_agent_id"] is None
