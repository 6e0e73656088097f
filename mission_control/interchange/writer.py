"""Export everything as PocketPaw's files: a snapshot, with each file written completely or not at all."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models import Model, QuerySet
from rest_framework.serializers import BaseSerializer
from rest_framework.utils.encoders import JSONEncoder

from mission_control.api import querysets
from mission_control.api.serializers.agents import AgentReader
from mission_control.api.serializers.documents import DocumentReader
from mission_control.api.serializers.feed import ActivityReader, NotificationReader
from mission_control.api.serializers.projects import ProjectReader
from mission_control.api.serializers.tasks import MessageReader, TaskReader
from mission_control.models import Activity, Notification

LOCAL_FIELDS = {"folder_path", "file_count"}  # of a project
AT_ONCE = 200
DOCUMENTS_AT_ONCE = 20  # of 5 MB each at most

Rows = QuerySet[Any, Any]


class PortableProjectReader(ProjectReader):
    """A project without the fields that apply only to this machine."""

    class Meta(ProjectReader.Meta):
        fields = [name for name in ProjectReader.Meta.fields if name not in LOCAL_FIELDS]
        read_only_fields = fields


def write_folder(folder: Path) -> dict[str, int]:
    """Write all files, and return how many objects each has. Raises OSError.

    The files are written beside the folder and moved into place when all are complete; a new folder appears only
    when it is complete.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with snapshot():
            counts = {file: _write(draft / file, rows, reader) for file, rows, reader in _contents()}
        if folder.exists():
            for file in counts:
                (draft / file).replace(folder / file)
        else:
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return counts


def _contents() -> Iterator[tuple[str, Iterable[Model], type[BaseSerializer[Any]]]]:
    """Yield file name, rows and serializer: as the API shows them, oldest first as in PocketPaw's files."""

    def oldest_first(rows: Rows, at_once: int = AT_ONCE) -> Iterable[Model]:
        return rows.order_by("created_at", "id").iterator(at_once)

    yield "agents.json", oldest_first(querysets.agents()), AgentReader
    yield "projects.json", oldest_first(querysets.projects()), PortableProjectReader
    yield "tasks.json", oldest_first(querysets.tasks()), TaskReader
    yield "documents.json", oldest_first(querysets.documents(), DOCUMENTS_AT_ONCE), DocumentReader
    yield "messages.json", oldest_first(querysets.messages()), MessageReader
    yield "activities.json", Activity.objects.order_by("number").iterator(AT_ONCE), ActivityReader
    yield "notifications.json", oldest_first(Notification.objects.all()), NotificationReader


def _write(path: Path, rows: Iterable[Model], reader: type[BaseSerializer[Any]]) -> int:
    """Write one array with one object per line; return their number."""
    number, shown = 0, reader()
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        for number, row in enumerate(rows, start=1):
            text = json.dumps(shown.to_representation(row), cls=JSONEncoder, ensure_ascii=False)
            file.write(f"{',' if number > 1 else ''}\n{text}")
        file.write("\n]\n")
        file.flush()
        os.fsync(file.fileno())
    return number


@contextmanager
def snapshot() -> Iterator[None]:
    """Read the database in a consistent snapshot without blocking writers.

    Django's `atomic` would hold SQLite's write lock for the whole time.
    """
    if connection.in_atomic_block:
        yield
        return
    isolated = " ISOLATION LEVEL REPEATABLE READ READ ONLY" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"BEGIN{isolated}")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")
