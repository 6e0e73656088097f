"""A run's log: numbered from 1, without gaps, and written only by the holder of the claim."""

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from mission_control.errors import ClaimLost
from mission_control.models import Run, RunEvent
from mission_control.runs import events
from mission_control.runs.admission import admit
from mission_control.runs.events import Draft, append
from mission_control.runs.lifecycle import claim, end_lost


@pytest.fixture
def run(task, agent) -> Run:
    return claim(admit(task, agent).pk, worker="test")


def drafts(*texts: str) -> list[Draft]:
    return [Draft("message", text) for text in texts]


def test_events_are_numbered_behind_those_that_are_stored(run):
    stored = append(run.pk, run.claim_token, drafts("a", "b"), after=1)

    run.refresh_from_db()
    assert [event.seq for event in stored] == [2, 3]
    assert run.last_seq == 3
    assert events.output_of(run.pk) == "ab"


def test_a_batch_whose_acknowledgement_was_lost_is_not_stored_twice(run):
    append(run.pk, run.claim_token, drafts("a", "b"), after=1)
    again = append(run.pk, run.claim_token, drafts("a", "b"), after=1)

    assert [event.seq for event in again] == [2, 3]
    assert run.events.count() == 3


def test_who_does_not_hold_the_claim_writes_nothing(run):
    end_lost(run)

    with pytest.raises(ClaimLost):
        append(run.pk, run.claim_token, drafts("late"), after=1)
    assert events.output_of(run.pk) == ""


@pytest.mark.parametrize("seq", [3, 7])
def test_the_database_itself_refuses_a_gap(run, seq):
    with pytest.raises(DatabaseError, match="run_event_without_gap"), transaction.atomic():
        RunEvent.objects.create(run=run, seq=seq, type="message", timestamp=timezone.now())


@pytest.mark.parametrize("seq", [0, 1])
def test_the_database_itself_refuses_a_number_twice_or_below_one(run, seq):
    with pytest.raises(DatabaseError), transaction.atomic():
        RunEvent.objects.create(run=run, seq=seq, type="message", timestamp=timezone.now())


def test_a_gap_within_one_batch_is_refused_as_well(run):
    rows = [RunEvent(run=run, seq=seq, type="message", timestamp=timezone.now()) for seq in (2, 4)]

    with pytest.raises(DatabaseError, match="run_event_without_gap"), transaction.atomic():
        RunEvent.objects.bulk_create(rows)


def test_events_of_another_run_fill_no_gap(run, tasks, agent):
    other = claim(admit(tasks[1], agent).pk, worker="test")
    append(other.pk, other.claim_token, drafts("a", "b"), after=1)

    with pytest.raises(DatabaseError, match="run_event_without_gap"), transaction.atomic():
        RunEvent.objects.create(run=run, seq=4, type="message", timestamp=timezone.now())
