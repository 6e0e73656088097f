"""How the feed is taken over: in the order of its times, as far as the lines that are here already allow."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db.models import Max, Min
from rest_framework.exceptions import ValidationError

from mission_control.actions.activity import MESSAGE_CHARS
from mission_control.interchange import entries
from mission_control.interchange.kinds import Given, Kind, given_only
from mission_control.interchange.references import Here
from mission_control.interchange.report import Place, Report
from mission_control.interchange.source import Unreadable, items
from mission_control.models import Activity
from mission_control.text import as_uuid


class Activities(Kind):
    """A line's number says where it stands in the feed, and open pages show at once what has a higher one.

    So what is older than the feed's newest line gets numbers below the lowest that there is, and below 1, which
    the database gives to nobody: it stands behind, and is no news. What is newer gets the next number as any line
    does.
    """

    FILE, ENTRY, MODEL, KEY = "activities.json", entries.ActivityEntry, Activity, "uid"

    def __init__(self, here: Here, report: Report) -> None:
        super().__init__(here, report)
        self._numbers: dict[UUID, int] = {}

    def prepare(self, path: Path) -> None:
        """Number what is older than the feed's newest line, by its time; of a broken file, what can be read."""
        feed = Activity.objects.aggregate(lowest=Min("number"), newest=Max("created_at"))
        here = set(Activity.objects.values_list("uid", flat=True))
        older = sorted(
            (created, index, key)
            for index, (key, created) in enumerate(_times(path))
            if key not in here and (feed["newest"] is None or created <= feed["newest"])
        )
        first = min(feed["lowest"] or 1, 1) - len(older)
        self._numbers = {key: first + rank for rank, (_, _, key) in enumerate(older)}

    def values(self, place: Place, given: Given, row: Any) -> dict[str, Any]:
        values = given_only(given, "type", "metadata")
        values["message"] = given["message"]
        if len(given["message"]) > MESSAGE_CHARS:
            values["message"] = given["message"][: MESSAGE_CHARS - 1] + "…"
            self.report.changed(place, "message", f"Cut to {MESSAGE_CHARS} characters.")
        for field, noun in (("agent_id", "agent"), ("task_id", "task"), ("document_id", "document")):
            values[field] = self.here.one(place, field, noun, given.get(field))
        values["project_id"] = self.here.task.get(values["task_id"])
        return values

    def save(self, given: Given, row: Any, values: dict[str, Any], *, is_new: bool) -> None:
        row.number = self._numbers.get(given["id"])
        super().save(given, row, values, is_new=is_new)


def _times(path: Path) -> Iterator[tuple[UUID, datetime]]:
    """Yield ids and times. What has none, or a wrong one, is looked at when it is read for good."""
    field = entries.Time()
    with suppress(Unreadable):
        for item in items(path):
            key = as_uuid(item.get("id")) if isinstance(item, dict) else None
            if key is None:
                continue
            with suppress(ValidationError):
                created = field.run_validation(item.get("created_at"))
                if created is not None:
                    yield key, created
