"""The documents that a review task covers: those of its blockers, the newest of each opened on the page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q

from mission_control.models import Deliverable, DeliverableVersion, Review, Task
from mission_control.models.attached_file import content_url
from mission_control.web.shared.markdown import LONGEST, rendered
from mission_control.web.task.rows import DocumentRow, document_rows

MAX_DOCUMENTS = 50
MAX_OPENED = 8  # documents whose content is in the page; the others are loaded when opened


@dataclass(slots=True)
class Part:
    """A task under review with its documents, newest first."""

    task: Task
    rows: list[DocumentRow] = field(default_factory=list)


def parts_of(needs: Sequence[Task], reviews: Sequence[Review]) -> list[Part]:
    """Return each blocker with its documents. `reviews` are the decided reviews, newest first.

    The newest document of each blocker has its content, and the number of the version that was last reviewed.
    """
    parts = {task.pk: Part(task) for task in needs}
    found = Deliverable.objects.filter(task__in=parts).defer("content").order_by("-updated_at", "id")
    for row in document_rows(found[:MAX_DOCUMENTS]):
        if row.document.task_id:
            parts[row.document.task_id].rows.append(row)
    opened = [part.rows[0] for part in parts.values() if part.rows][:MAX_OPENED]
    _fill(opened)
    if reviews and (decided_at := reviews[0].decided_at):
        for row in opened:
            row.since = _reviewed(row, decided_at)
    return list(parts.values())


def _fill(rows: Sequence[DocumentRow]) -> None:
    """Set each row's content, that of the version it shows. One query."""
    wanted = Q(pk__in=[row.at.pk for row in rows if row.at])
    contents = dict(DeliverableVersion.objects.filter(wanted).values_list("pk", "content")) if rows else {}
    for row in rows:
        content = contents.get(row.at.pk, "") if row.at else ""
        files_url = content_url(row.document.project_id, row.document.task_id)
        row.html, row.is_cut = rendered(content[:LONGEST], files_url=files_url), len(content) > LONGEST


def _reviewed(row: DocumentRow, decided_at: datetime) -> int | None:
    """Return the number of the newest version at the time of the last decision; None if there was none."""
    return max((one.version for one in row.versions if one.created_at <= decided_at), default=None)
