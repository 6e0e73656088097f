"""Views of a project's working folder: folders, a file as text, downloads."""

import re
import uuid
from pathlib import PurePosixPath
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header, urlencode
from django.views.decorators.http import require_safe

from agents.file_kinds import HEAD_BYTES, IMAGES, content_type_of
from mission_control.errors import NotFound, Refusal
from mission_control.models import Project
from mission_control.models.attached_file import content_url
from mission_control.queries import archives, downloads, project_files
from mission_control.queries.progress import MAX_FILES, count_files
from mission_control.web.shared.plain_text import plain
from mission_control.web.shared.views import by_script, sees, show

SHOWN_FILE_CHARS = 300_000


@require_safe
@sees("view_project")
def folder(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
    """Show a folder of the project's files as a page; for JavaScript, only the panel."""
    found = get_object_or_404(Project, pk=project_id)
    context = {"project": found, **folder_of(found, request.GET.get("path", ""))}
    if by_script(request):
        return render(request, "project/_files.html", context)
    return show(request, "project/files.html", context, at="projects")


def folder_of(found: Project, path: str) -> dict[str, Any]:
    """Return the contents of a folder. Raises Http404 if it does not exist or is outside the project's folder."""
    path = path.strip("/")
    try:
        entries = project_files.listing(found, path)
    except Refusal:
        raise Http404("Folder not found") from None
    inside = [{**entry, "path": str(PurePosixPath(path, entry["name"]))} for entry in entries]
    number = count_files(found.folder) if not path else None
    return {
        "files": inside,
        "other_hosts": [plain(host) for host in project_files.hosts_of(found)] if not inside and not path else [],
        "file_count": number,
        "too_many_files": number == MAX_FILES,
        "crumbs": _crumbs(path),
        "folder_path": path,
    }


def _crumbs(path: str) -> list[tuple[str, str]]:
    """Return each folder on the path, with its own path."""
    parts = PurePosixPath(path).parts  # empty for "."
    return [(part, str(PurePosixPath(*parts[: number + 1]))) for number, part in enumerate(parts)]


@require_safe
@sees("view_project")
def file(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
    """Show a file as text, or say why it cannot be shown."""
    found, path = get_object_or_404(Project, pk=project_id), request.GET.get("path", "")
    content, refused, is_large = b"", "", False
    try:
        content = project_files.content_of(found, path)
    except NotFound:
        raise Http404("File not found") from None
    except project_files.FileTooLarge as refusal:
        refused, is_large = f"{refusal.detail} Download it to read it.", True
    except Refusal as refusal:
        refused = refusal.detail
    text = _text(content)
    is_image = content_type_of(content[:HEAD_BYTES]) in IMAGES
    context = {
        "project": found,
        "path": path,
        "name": PurePosixPath(path).name,
        "crumbs": _crumbs(str(PurePosixPath(path).parent)),
        "size": len(content),
        "image": f"{content_url(found.pk, None)}?{urlencode({'path': path})}" if is_image else "",
        "text": None if text is None else plain(text[:SHOWN_FILE_CHARS]),
        "is_cut": text is not None and len(text) > SHOWN_FILE_CHARS,
        "refused": refused,
        "can_download": not refused or is_large,
    }
    return show(
        request, "project/file.html", context, at="projects", status=400 if refused and not is_large else 200
    )


@require_safe
@sees("view_project")
def download(request: HttpRequest, project_id: uuid.UUID) -> HttpResponseBase:
    """Send a file of any size in pieces, or the requested range of it. Browsers save it and never run it."""
    found, path = get_object_or_404(Project, pk=project_id), request.GET.get("path", "")
    try:
        content = project_files.open_file(found, path)
    except Refusal:
        raise Http404("File not found") from None
    return downloads.file_response(content, path, request)


@require_safe
@sees("view_project")
def archive(request: HttpRequest, project_id: uuid.UUID) -> HttpResponseBase:
    """Send all files of the folder as one zip file, which is packed while it is sent."""
    found = get_object_or_404(Project, pk=project_id)
    try:
        archives.check(found)
    except NotFound:
        raise Http404("There are no files to download") from None
    except Refusal as refusal:
        messages.warning(request, f"{refusal.detail}.", extra_tags="warn")
        return redirect("project-files", found.pk)
    name = re.sub(r"[^\w.-]+", "-", found.title).strip("-.")[:80] or "project"
    return StreamingHttpResponse(
        downloads.in_threads(archives.pieces(found)),
        content_type="application/zip",
        headers={
            "Content-Disposition": content_disposition_header(as_attachment=True, filename=f"{name}.zip"),
            "Content-Encoding": "identity",  # already packed: no second compression
            "X-Content-Type-Options": "nosniff",
        },
    )


def _text(content: bytes) -> str | None:
    """Return the content as text; None if it is not text."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text
