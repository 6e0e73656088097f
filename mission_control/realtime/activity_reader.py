"""Read each new activity once, including those that PostgreSQL commits after one with a higher number."""

import time
from collections.abc import Iterable

from django.db.models import Q

from mission_control.models import Activity


class ActivityGapTracker:
    """Finds activities that its reader has not processed, starting with those written after its creation.

    On PostgreSQL an activity can be committed after one with a higher number. A missing number (gap) is queried
    again until it has been missing for so long that its transaction must have been rolled back.
    """

    GAP_SECONDS = 60.0
    MAX_GAPS = 200

    def __init__(self) -> None:
        newest = Activity.objects.order_by("-number").values_list("number", flat=True)[: self.MAX_GAPS]
        stored = set(newest)
        self.number = max(stored | {0})  # an import numbers older activities below 1
        self.gaps: dict[int, float] = {}
        lowest = max(self.number - self.MAX_GAPS, 1)
        self._record_gaps([number for number in range(lowest, self.number) if number not in stored])

    def read(self, limit: int) -> list[Activity]:
        """Return up to `limit` activities that are not marked as processed, lowest number first."""
        wanted = Q(number__gt=self.number)
        if self.gaps:  # the lower bound keeps SQLite from scanning the whole feed, as it would for the OR alone
            wanted = Q(number__gte=min(self.gaps)) & (wanted | Q(number__in=list(self.gaps)))
        return list(Activity.objects.filter(wanted).order_by("number")[:limit])

    def mark_processed(self, activity: Activity) -> None:
        """Record that the activity needs no further processing."""
        now = time.monotonic()
        self.gaps = {gap: since for gap, since in self.gaps.items() if now - since < self.GAP_SECONDS}
        if activity.number > self.number:
            self._record_gaps(range(self.number + 1, activity.number)[-self.MAX_GAPS :])
            self.number = activity.number
        else:
            self.gaps.pop(activity.number, None)

    def _record_gaps(self, numbers: Iterable[int]) -> None:
        self.gaps |= dict.fromkeys(numbers, time.monotonic())
