"""Read a folder of PocketPaw's files into the database, object by object, saying of each what could not be taken.

Ids and times are kept. An object that is here already is written over, unless it was changed here since; so a
folder can be read again. Each batch is a transaction of its own: a product that runs can write in between.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction
from rest_framework.exceptions import ValidationError

from mission_control.interchange.activities import Activities
from mission_control.interchange.documents import Documents
from mission_control.interchange.kinds import Agents, Given, Kind, Messages, Notifications, Projects
from mission_control.interchange.references import Here
from mission_control.interchange.report import Place, Report
from mission_control.interchange.source import Unreadable, Unsound, items
from mission_control.interchange.tasks import Tasks
from mission_control.models import Project

FILES = [kind.FILE for kind in (Agents, Projects, Tasks, Documents, Messages, Activities, Notifications)]


def read_folder(folder: Path, report: Report) -> None:
    """Read all files that there are; what refers to others comes after them, and the two circles last."""
    here = Here(report)
    projects, tasks = Projects(here, report), Tasks(here, report)
    for kind in (Agents(here, report), projects, tasks):
        _read(kind, folder, report)
    tasks.link()
    _read(Documents(here, report), folder, report)
    _link_requirements(projects, here)
    for late in (Messages, Activities, Notifications):
        _read(late(here, report), folder, report)


def _link_requirements(projects: Projects, here: Here) -> None:
    for key, (place, document) in projects.requirements.items():
        found = here.one(place, "prd_document_id", "document", document)
        Project.objects.filter(pk=key).update(prd_document=found)


def _read(kind: Kind, folder: Path, report: Report) -> None:
    path = folder / kind.FILE
    if not path.exists():
        return
    report.count(kind.FILE, "new", 0)
    kind.prepare(path)
    entries = _entries(kind, path, report)
    while batch := list(islice(entries, kind.BATCH)):  # itertools.batched is of Python 3.12
        with transaction.atomic():
            _store(kind, batch, report)


def _store(kind: Kind, batch: list[tuple[Place, Given]], report: Report) -> None:
    rows = kind.begin(batch)
    for place, given in batch:
        row = rows.get(given["id"])
        if row is not None and kind.stays(place, given, row):
            report.count(kind.FILE, "kept")
        elif kind.store(place, given, row):
            report.count(kind.FILE, "new" if row is None else "changed")
        else:
            report.count(kind.FILE, "refused")
    kind.end()


def _entries(kind: Kind, path: Path, report: Report) -> Iterator[tuple[Place, Given]]:
    """Yield the objects that are sound; say of the others what is wrong with them."""
    entry, seen = kind.ENTRY(), set[UUID]()
    index = -1
    try:
        for index, item in enumerate(items(path)):
            place = Place(kind.FILE, index, _id_of(item))
            given = _checked(entry, item, place, report)
            if given is not None and given["id"] in seen:
                report.refused(place, "id", "An earlier object has the same id.")
                given = None
            if given is None:
                report.count(kind.FILE, "refused")
                continue
            seen.add(given["id"])
            yield place, given
    except Unreadable as error:
        report.broken(Place(kind.FILE, index + 1), str(error))


def _id_of(item: Any) -> object:
    if isinstance(item, Unsound):
        return item.id
    return item.get("id") if isinstance(item, dict) else None


def _checked(entry: Any, item: Any, place: Place, report: Report) -> Given | None:
    if isinstance(item, Unsound):
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
    """Return the first message from whatever DRF nests them in."""
    while not isinstance(detail, str):
        detail = next(iter(detail.values() if isinstance(detail, dict) else detail))
    return detail
