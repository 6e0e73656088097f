"""How far the activity feed had got when a page was rendered, and whether anything has changed since."""

import re

from mission_control.models import Activity

WINDOW = 100  # numbers; far more than the transactions that write at the same time


def feed_position() -> str:
    """Return the end of the feed: the number of the newest activity, and how many of the last 100 are visible.

    On PostgreSQL an activity can be committed after one with a higher number; the second figure then grows.
    """
    numbers = list(Activity.objects.order_by("-number").values_list("number", flat=True)[:WINDOW])
    newest = numbers[0] if numbers else 0
    return f"{newest}.{sum(number > newest - WINDOW for number in numbers)}"


def has_changed_since(position: str) -> bool:
    """Return whether activities were committed since the position. An invalid position counts as changed."""
    matched = re.fullmatch(r"(-?[0-9]{1,18})\.([0-9]{1,3})", position)
    if matched is None:
        return True
    newest, visible = map(int, matched.groups())
    later = Activity.objects.filter(number__gt=newest - WINDOW).order_by("number")
    numbers = list(later.values_list("number", flat=True)[: WINDOW + 1])
    return len(numbers) > visible or any(number > newest for number in numbers)
