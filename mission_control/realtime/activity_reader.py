"""Read the new activities, each once, also those that PostgreSQL commits after a higher number."""

import time
from collections.abc import Iterable

from django.db.models import Q

from mission_control.models import Activity


class Unread:
    """What a reader has not had of the feed, from its making on; each line once.

    On PostgreSQL a number can be committed after a higher one. One that was passed over is looked for again, until
    it has been missing for so long that its transaction must have been rolled back.
    """

    GAP_SECONDS = 60.0
    MOST_GAPS = 200

    def __init__(self) -> None:
        newest = Activity.objects.order_by("-number").values_list("number", flat=True)[: self.MOST_GAPS]
        there = set(newest)
        self.number = max(there | {0})  # below 1 is what an import put behind all that was there
        self.gaps: dict[int, float] = {}
        lowest = max(self.number - self.MOST_GAPS, 1)
        self._pass_over([number for number in range(lowest, self.number) if number not in there])

    def read(self, limit: int) -> list[Activity]:
        """Return the lines that `had` was not told of, lowest first, at most so many."""
        wanted = Q(number__gt=self.number)
        if self.gaps:  # from the first of them on: by the OR alone SQLite would go through the whole feed
            wanted = Q(number__gte=min(self.gaps)) & (wanted | Q(number__in=list(self.gaps)))
        return list(Activity.objects.filter(wanted).order_by("number")[:limit])

    def had(self, activity: Activity) -> None:
        """Take note that a line was read for good."""
        now = time.monotonic()
        self.gaps = {gap: since for gap, since in self.gaps.items() if now - since < self.GAP_SECONDS}
        if activity.number > self.number:
            self._pass_over(range(self.number + 1, activity.number)[-self.MOST_GAPS :])
            self.number = activity.number
        else:
            self.gaps.pop(activity.number, None)

    def _pass_over(self, numbers: Iterable[int]) -> None:
        self.gaps |= dict.fromkeys(numbers, time.monotonic())
