"""Documents: one on a page of its own, its content, what its versions changed; each also as a fragment."""

import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from mission_control.models import Deliverable, DeliverableVersion
from mission_control.web.differences import difference
from mission_control.web.markdown import LONGEST, rendered
from mission_control.web.task_rows import document_rows
from mission_control.web.views import by_script, sees, show
from mission_control.web.views.runs import number_in

sees_documents = sees("view_deliverable")


@require_safe
@sees_documents
def document_page(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Show a document at its newest version, or the one asked for; to the script its row in a list."""
    found = Deliverable.objects.filter(pk=document_id).defer("content").select_related("task")
    get_object_or_404(found)
    [row] = document_rows(found, version=number_in(request, "version"))
    if by_script(request):
        return render(request, "_deliverable.html", {"row": row})
    number = row.at.version if row.at else row.document.version
    return show(
        request, "document.html", {"row": row, "version": number, **_content(document_id, number)}, at="board"
    )


@require_safe
@sees_documents
def document_content(request: HttpRequest, document_id: uuid.UUID, version: int) -> HttpResponse:
    """Show the content of one version, as Markdown that was rendered."""
    return render(request, "_document_content.html", _content(document_id, version))


@require_safe
@sees_documents
def document_file(_request: HttpRequest, document_id: uuid.UUID, version: int) -> HttpResponse:
    """Send the content of one version as a text file."""
    found = _version(document_id, version)
    response = HttpResponse(found.content, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="document-{str(document_id)[:8]}-v{version}.md"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


@require_safe
@sees_documents
def document_diff(request: HttpRequest, document_id: uuid.UUID, old: int, new: int) -> HttpResponse:
    """Show what changed from one version to another."""
    before, after = _version(document_id, old), _version(document_id, new)
    context = {"diff": difference(before.content, after.content), "old": old, "new": new}
    if by_script(request):
        return render(request, "_diff.html", context)
    return show(request, "document_diff.html", {**context, "document": after.deliverable}, at="board")


def _content(document_id: uuid.UUID, version: int) -> dict[str, object]:
    content = _version(document_id, version).content
    return {
        "html": rendered(content[:LONGEST]),
        "is_cut": len(content) > LONGEST,
        "raw": reverse("document-file", args=[document_id, version]),
    }


def _version(document_id: uuid.UUID, version: int) -> DeliverableVersion:
    found = DeliverableVersion.objects.select_related("deliverable__task").defer("deliverable__content")
    return get_object_or_404(found, deliverable_id=document_id, version=version)
