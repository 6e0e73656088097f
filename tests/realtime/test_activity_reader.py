"""What a reader of the feed has not had: each line once, whatever number it has and whenever it was committed."""

import pytest

from mission_control.models import Activity
from mission_control.realtime.activity_reader import Unread

pytestmark = pytest.mark.django_db


def line(number: int) -> None:
    Activity.objects.create(number=number, type=Activity.Type.AGENT_HEARTBEAT, message=str(number))


def read(unread: Unread) -> list[int]:
    found = unread.read(100)
    for activity in found:
        unread.had(activity)
    return [activity.number for activity in found]


def test_a_line_that_is_committed_after_a_higher_number_is_read_once(monkeypatch):
    for number in (11, 14):
        line(number)
    unread = Unread()
    assert read(unread) == []
    line(17)
    assert read(unread) == [17]
    for number in (15, 12, 18):
        line(number)
    assert [activity.number for activity in unread.read(100)] == [
        12,
        15,
        18,
    ]  # until it is told that they were had
    assert read(unread) == [12, 15, 18]
    assert read(unread) == []

    monkeypatch.setattr(Unread, "GAP_SECONDS", 0)
    line(20)
    assert read(unread) == [20]
    line(21)
    read(unread)
    assert not unread.gaps


def test_what_an_import_put_before_the_first_line_is_no_news_and_leaves_no_gaps():
    """Its numbers are 0 and below: what is older than the feed's newest line stands behind it."""
    for number in (-3, -1):
        line(number)
    unread = Unread()
    assert read(unread) == []
    line(-7)  # the next import
    assert read(unread) == []
    line(1)
    assert read(unread) == [1]
    assert unread.gaps == {}
    line(3)
    line(-8)
    assert read(unread) == [3]
    line(2)
    assert read(unread) == [2]
    assert unread.gaps == {}


def test_an_import_into_an_empty_feed_is_no_news_either():
    unread = Unread()
    for number in (-2, -1, 0):
        line(number)
    assert read(unread) == []
    line(1)
    assert read(unread) == [1]
    assert unread.gaps == {}
