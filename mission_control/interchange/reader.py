"""Import a folder of PocketPaw's files into the database, object by object, and report what cannot be imported.

Ids and times are kept. An existing object is overwritten unless it was changed here later, so a folder can be
imported again. Each batch is a transaction of its own, so that a running product can write in between.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction
from rest_framework.exceptions import ValidationError

from mission_control.interchange.activities import ActivityImporter
from mission_control.interchange.documents import DocumentImporter
from mission_control.interchange.kinds import (
    AgentImporter,
    Given,
    KindImporter,
    MessageImporter,
    NotificationImporter,
    ProjectImporter,
)
from mission_control.interchange.references import ExistingObjects
from mission_control.interchange.report import ObjectLocation, Report
from mission_control.interchange.source import InvalidObject, UnreadableFile, items
from mission_control.interchange.tasks import TaskImporter
from mission_control.models import Project

FILES = [
    kind.FILE
    for kind in (
        AgentImporter,
        ProjectImporter,
        TaskImporter,
        DocumentImporter,
        MessageImporter,
        ActivityImporter,
        NotificationImporter,
    )
]


def read_folder(folder: Path, report: Report) -> None:
    """Import all existing files: referenced objects first, and the two kinds of cyclic references last."""
    existing = ExistingObjects(report)
    projects, tasks = ProjectImporter(existing, report), TaskImporter(existing, report)
    for kind in (AgentImporter(existing, report), projects, tasks):
        _read(kind, folder, report)
    tasks.link()
    _read(DocumentImporter(existing, report), folder, report)
    _link_requirements(projects, existing)
    for late in (MessageImporter, ActivityImporter, NotificationImporter):
        _read(late(existing, report), folder, report)


def _link_requirements(projects: ProjectImporter, existing: ExistingObjects) -> None:
    for key, (place, document) in projects.requirements.items():
        found = existing.one(place, "prd_document_id", "document", document)
        Project.objects.filter(pk=key).update(prd_document=found)


def _read(kind: KindImporter, folder: Path, report: Report) -> None:
    path = folder / kind.FILE
    if not path.exists():
        return
    report.count(kind.FILE, "new", 0)
    kind.prepare(path)
    entries = _entries(kind, path, report)
    while batch := list(islice(entries, kind.BATCH)):  # itertools.batched is of Python 3.12
        with transaction.atomic():
            _store(kind, batch, report)


def _store(kind: KindImporter, batch: list[tuple[ObjectLocation, Given]], report: Report) -> None:
    rows = kind.begin(batch)
    for place, given in batch:
        row = rows.get(given["id"])
        if row is not None and kind.is_newer_here(place, given, row):
            report.count(kind.FILE, "kept")
        elif kind.store(place, given, row):
            report.count(kind.FILE, "new" if row is None else "changed")
        else:
            report.count(kind.FILE, "refused")
    kind.end()


def _entries(kind: KindImporter, path: Path, report: Report) -> Iterator[tuple[ObjectLocation, Given]]:
    """Yield the valid objects; report the errors of the others."""
    entry, seen = kind.ENTRY(), set[UUID]()
    index = -1
    try:
        for index, item in enumerate(items(path)):
            place = ObjectLocation(kind.FILE, index, _id_of(item))
            given = _checked(entry, item, place, report)
            if given is not None and given["id"] in seen:
                report.refused(place, "id", "An earlier object has the same id.")
                given = None
            if given is None:
                report.count(kind.FILE, "refused")
                continue
            seen.add(given["id"])
            yield place, given
    except UnreadableFile as error:
        report.broken(ObjectLocation(kind.FILE, index + 1), str(error))


def _id_of(item: Any) -> object:
    if isinstance(item, InvalidObject):
        return item.id
    return item.get("id") if isinstance(item, dict) else None


def _checked(entry: Any, item: Any, place: ObjectLocation, report: Report) -> Given | None:
    if isinstance(item, InvalidObject):
        report.refused(place, "object", item.reason)
        return None
    if not isinstance(item, dict):
        report.refused(place, "object", "Must be a JSON object.")
        return None
    try:
        given: Given = entry.run_validation(item)
    except ValidationError as error:
        details: Any = error.detail
        for field, detail in details.items():
            report.refused(place, field, _first(detail))
        return None
    return given


def _first(detail: Any) -> str:
    """Return the first message in DRF's nested errors."""
    while not isinstance(detail, str):
        detail = next(iter(detail.values() if isinstance(detail, dict) else detail))
    return detail
