"""A reader of the activity feed gets each entry once, with any number and any time of commit."""

import pytest

from mission_control.models import Activity
from mission_control.realtime.activity_reader import ActivityGapTracker

pytestmark = pytest.mark.django_db


def line(number: int) -> None:
    Activity.objects.create(number=number, type=Activity.Type.AGENT_HEARTBEAT, message=str(number))


def read(tracker: ActivityGapTracker) -> list[int]:
    found = tracker.read(100)
    for activity in found:
        tracker.mark_processed(activity)
    return [activity.number for activity in found]


def test_a_line_that_is_committed_after_a_higher_number_is_read_once(monkeypatch):
    for number in (11, 14):
        line(number)
    tracker = ActivityGapTracker()
    assert read(tracker) == []
    line(17)
    assert read(tracker) == [17]
    for number in (15, 12, 18):
        line(number)
    assert [activity.number for activity in tracker.read(100)] == [
        12,
        15,
        18,
    ]  # until it is called with them as processed
    assert read(tracker) == [12, 15, 18]
    assert read(tracker) == []

    monkeypatch.setattr(ActivityGapTracker, "GAP_SECONDS", 0)
    line(20)
    assert read(tracker) == [20]
    line(21)
    read(tracker)
    assert not tracker.gaps


def test_what_an_import_put_before_the_first_line_is_no_news_and_leaves_no_gaps():
    """Imported entries have the numbers 0 and below, because they are older than the feed's newest entry."""
    for number in (-3, -1):
        line(number)
    tracker = ActivityGapTracker()
    assert read(tracker) == []
    line(-7)  # the next import
    assert read(tracker) == []
    line(1)
    assert read(tracker) == [1]
    assert tracker.gaps == {}
    line(3)
    line(-8)
    assert read(tracker) == [3]
    line(2)
    assert read(tracker) == [2]
    assert tracker.gaps == {}


def test_an_import_into_an_empty_feed_is_no_news_either():
    tracker = ActivityGapTracker()
    for number in (-2, -1, 0):
        line(number)
    assert read(tracker) == []
    line(1)
    assert read(tracker) == [1]
    assert tracker.gaps == {}
