"""Views of documents: the list, one document, its content, the differences between versions, and its form."""

import uuid
from contextlib import suppress
from typing import cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from agents.rules import SEARCH_CHARS
from mission_control.actions import documents
from mission_control.actions.locking import locked
from mission_control.errors import NotFound
from mission_control.models import Activity, Deliverable, DeliverableVersion
from mission_control.models.attached_file import content_url
from mission_control.models.search import has_text
from mission_control.models.tags import TaggedAny
from mission_control.web.project.forms import DocumentForm
from mission_control.web.shared.conflicts import EditConflict, changed_only
from mission_control.web.shared.differences import difference
from mission_control.web.shared.markdown import LONGEST, rendered
from mission_control.web.shared.views import by_script, number_in, person_of, sees, show
from mission_control.web.task.rows import document_rows

DOCUMENTS_A_PAGE = 50

sees_documents = sees("view_deliverable")


@require_safe
@sees_documents
def document_list(request: HttpRequest) -> HttpResponse:
    """Show the documents, last changed first, filtered by text in the title (`q`), type and tag."""
    words, tag = (request.GET.get(name, "").strip()[:SEARCH_CHARS].replace("\x00", "") for name in ("q", "tag"))
    kind = request.GET.get("type", "")
    found = Deliverable.objects.defer("content").select_related("task", "project").order_by("-updated_at", "id")
    if words:
        found = found.filter(has_text(words, "title"))
    if kind in Deliverable.Type.values:
        found = found.filter(type=kind)
    if tag:
        found = found.filter(TaggedAny([tag]))
    page = Paginator(found, DOCUMENTS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": document_rows(cast("QuerySet[Deliverable]", page.object_list)),
        "words": words,
        "kind": kind,
        "kinds": Deliverable.Type.choices,
        "tag": tag,
        "is_narrowed": bool(words or tag or kind),
    }
    return show(request, "documents/documents.html", context, at="projects")


@require_http_methods(["GET", "HEAD", "POST"])
@sees("view_deliverable", "add_deliverable")
def new_document(request: HttpRequest) -> HttpResponse:
    """Show an empty form, or create a document without a task."""
    form = DocumentForm(
        request.POST if request.method == "POST" else None, initial={"type": Deliverable.Type.DRAFT}
    )
    if form.is_bound and form.is_valid():
        made = documents.create(**form.cleaned_data, author_id="human")
        messages.success(request, f"Created: {made.title}", extra_tags="ok")
        return redirect("document", made.pk)
    context = {"form": form, "leave_url": reverse("documents")}
    return show(request, "documents/edit.html", context, at="projects", status=form.status)


@require_safe
@sees_documents
def document_page(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Show a document at the requested version, by default the newest; for JavaScript, only its row in a list."""
    found = Deliverable.objects.filter(pk=document_id).defer("content").select_related("task")
    get_object_or_404(found)
    [row] = document_rows(found, version=number_in(request, "version"))
    row.since = number_in(request, "since")
    if by_script(request):
        return render(request, "task/_deliverable.html", {"row": row})
    number = row.at.version if row.at else row.document.version
    return show(
        request,
        "documents/document.html",
        {"row": row, "version": number, **_content(document_id, number)},
        at="board",
    )


@require_safe
@sees_documents
def document_content(request: HttpRequest, document_id: uuid.UUID, version: int) -> HttpResponse:
    """Show the content of one version, rendered from Markdown."""
    return render(request, "documents/_content.html", _content(document_id, version))


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
    """Show what changed between two versions."""
    before, after = _version(document_id, old), _version(document_id, new)
    context = {"diff": difference(before.content, after.content), "old": old, "new": new}
    if by_script(request):
        return render(request, "documents/_diff.html", context)
    return show(request, "documents/diff.html", {**context, "document": after.deliverable}, at="board")


# ---------------------------------------------------------------- actions
@require_http_methods(["GET", "HEAD", "POST"])
@sees("view_deliverable", "change_deliverable")
def edit_document(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Show the form of a document, or save the changed fields. A changed text becomes the next version."""
    found = get_object_or_404(Deliverable.objects.select_related("task"), pk=document_id)
    form = DocumentForm(request.POST) if request.method == "POST" else DocumentForm.of(found)
    if form.is_bound and form.is_valid():
        try:
            _change(request, found, form.cleaned_data)
            messages.success(request, "Saved.", extra_tags="ok")
            return redirect("document", found.pk)
        except EditConflict as conflict:
            form.conflict = conflict
    context = {"document": found, "form": form, "basis": form.basis(_values(found))}
    context["leave_url"] = reverse("document", args=[found.pk])
    return show(request, "documents/edit.html", context, at="board", status=form.status)


def _values(found: Deliverable) -> dict[str, object]:
    return {name: getattr(found, name) for name in ("title", "type", "tags", "content")}


def _change(request: HttpRequest, found: Deliverable, given: dict[str, object]) -> None:
    """Save the fields that the user changed. Raises EditConflict if another person changed one of them too.

    Locks the document's row.
    """
    edits = Activity.objects.filter(document=found)
    with transaction.atomic():
        now = _values(locked(found))
        changed = changed_only(given, now, request.POST.get("basis", ""), edits=edits, user=person_of(request))
        documents.change(found, **changed, editor_id="human")


@require_http_methods(["GET", "HEAD", "POST"])
@sees("view_deliverable", "delete_deliverable")
def delete_document(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Ask for confirmation, or delete the document and redirect to its task, its project or the list."""
    found = get_object_or_404(Deliverable.objects.select_related("task", "project"), pk=document_id)
    if request.method != "POST":
        return show(request, "documents/delete.html", {"document": found}, at="board")
    with suppress(NotFound):  # another request has already deleted it
        documents.delete(found)
    messages.success(request, f"Deleted: {found.title}", extra_tags="ok")
    if found.task:
        return redirect("task", found.task.pk)
    return redirect("project", found.project.pk) if found.project else redirect("documents")


def _content(document_id: uuid.UUID, version: int) -> dict[str, object]:
    found = _version(document_id, version)
    content, files_url = found.content, content_url(found.deliverable.project_id, found.deliverable.task_id)
    return {
        "html": rendered(content[:LONGEST], files_url=files_url),
        "is_cut": len(content) > LONGEST,
        "raw": reverse("document-file", args=[document_id, version]),
    }


def _version(document_id: uuid.UUID, version: int) -> DeliverableVersion:
    found = DeliverableVersion.objects.select_related("deliverable__task").defer("deliverable__content")
    return get_object_or_404(found, deliverable_id=document_id, version=version)
