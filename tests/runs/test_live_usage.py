"""The usage of a run is on its row while it is active."""

import uuid

import pytest

from agents.backends.base import Usage
from mission_control.models import Run, UsageRecord
from mission_control.runs import live_usage
from mission_control.runs.admission import admit
from mission_control.runs.lifecycle import claim, end_lost
from mission_control.runs.live_usage import LiveUsage

USAGE = Usage("model-1", 10, 20, 0.5)


@pytest.fixture
def run(task, agent) -> Run:
    return claim(admit(task, agent).pk, worker="worker", token=uuid.uuid4())


def test_a_changed_usage_is_stored_at_most_once_a_second_and_one_that_is_unknown_never(run, monkeypatch):
    live = LiveUsage(run)
    assert not live.is_due(Usage())
    assert live.is_due(USAGE)
    shown = {"model": "model-1", "input_tokens": 10, "output_tokens": 20, "cost_usd": 0.5}
    assert live.store(USAGE) == shown == Run.objects.get(pk=run.pk).usage
    monkeypatch.setattr(live_usage, "LEAST_SECONDS", 10**9)
    assert not live.is_due(USAGE + USAGE)
    monkeypatch.setattr(live_usage, "LEAST_SECONDS", 0)
    assert live.is_due(USAGE + USAGE)
    assert not live.is_due(USAGE)


def test_a_worker_that_lost_its_claim_stores_no_usage(run):
    Run.objects.filter(pk=run.pk).update(claim_token=uuid.uuid4())
    assert LiveUsage(run).store(USAGE) is None
    assert Run.objects.get(pk=run.pk).input_tokens is None


def test_what_was_used_before_a_worker_was_lost_is_billed(run):
    LiveUsage(run).store(USAGE)
    assert end_lost(Run.objects.get(pk=run.pk))
    assert UsageRecord.objects.get().input_tokens == 10
