"""Import activities in the order of their times, as far as the existing activities allow."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db.models import Max, Min
from rest_framework.exceptions import ValidationError

from agents.rules import ACTIVITY_CHARS
from mission_control.interchange import entries
from mission_control.interchange.kinds import Given, KindImporter, present_fields
from mission_control.interchange.references import ExistingObjects
from mission_control.interchange.report import ObjectLocation, Report
from mission_control.interchange.source import UnreadableFile, items
from mission_control.models import Activity
from mission_control.text import as_uuid


class ActivityImporter(KindImporter):
    """Assigns the numbers of imported activities, which are their positions in the feed.

    Open pages show activities with a higher number than the last at once. So activities older than the feed's
    newest one get numbers below the lowest existing one and below 1, which the database never assigns: they come
    last, and are not shown as new. Newer ones get the next number, like any activity.
    """

    FILE, ENTRY, MODEL, KEY = "activities.json", entries.ActivityEntry, Activity, "uid"

    def __init__(self, existing: ExistingObjects, report: Report) -> None:
        super().__init__(existing, report)
        self._numbers: dict[UUID, int] = {}

    def prepare(self, path: Path) -> None:
        """Number the activities older than the feed's newest one by time; of a broken file, the readable ones."""
        feed = Activity.objects.aggregate(lowest=Min("number"), newest=Max("created_at"))
        existing = set(Activity.objects.values_list("uid", flat=True))
        older = sorted(
            (created, index, key)
            for index, (key, created) in enumerate(_times(path))
            if key not in existing and (feed["newest"] is None or created <= feed["newest"])
        )
        first = min(feed["lowest"] or 1, 1) - len(older)
        self._numbers = {key: first + rank for rank, (_, _, key) in enumerate(older)}

    def values(self, place: ObjectLocation, given: Given, row: Any) -> dict[str, Any]:
        values = present_fields(given, "type", "metadata")
        values["subject"] = Activity.subject_of(given["type"], given.get("metadata", {}))
        values["message"] = given["message"]
        if len(given["message"]) > ACTIVITY_CHARS:
            values["message"] = given["message"][: ACTIVITY_CHARS - 1] + "…"
            self.report.changed(place, "message", f"Cut to {ACTIVITY_CHARS} characters.")
        for field, noun in (("agent_id", "agent"), ("task_id", "task"), ("document_id", "document")):
            values[field] = self.existing.one(place, field, noun, given.get(field))
        values["project_id"] = self.existing.task.get(values["task_id"])
        return values

    def save(self, given: Given, row: Any, values: dict[str, Any], *, is_new: bool) -> None:
        row.number = self._numbers.get(given["id"])
        super().save(given, row, values, is_new=is_new)


def _times(path: Path) -> Iterator[tuple[UUID, datetime]]:
    """Yield ids and times. Objects without valid ones are skipped here and reported when they are imported."""
    field = entries.Time()
    with suppress(UnreadableFile):
        for item in items(path):
            key = as_uuid(item.get("id")) if isinstance(item, dict) else None
            if key is None:
                continue
            with suppress(ValidationError):
                created = field.run_validation(item.get("created_at"))
                if created is not None:
                    yield key, created
