"""The files of a project's working folder: folders, a file as text, a file to be saved."""

import os
import re
import uuid
from collections.abc import AsyncIterator, Generator
from pathlib import PurePosixPath
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from mission_control.errors import NotFound, Refusal
from mission_control.models import Project
from mission_control.queries import archives, project_files
from mission_control.queries.progress import MOST_FILES, count_files
from mission_control.web.shared.plain_text import plain
from mission_control.web.shared.views import by_script, sees, show

SHOWN_FILE_CHARS = 300_000
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)  # one part; several are sent as the whole


@require_safe
@sees("view_project")
def folder(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
    """Show a folder of the project's files: to the script as the panel, else as a page."""
    found = get_object_or_404(Project, pk=project_id)
    context = {"project": found, **folder_of(found, request.GET.get("path", ""))}
    if by_script(request):
        return render(request, "project/_files.html", context)
    return show(request, "project/files.html", context, at="projects")


def folder_of(found: Project, path: str) -> dict[str, Any]:
    """Return what a folder holds. Raises Http404 for one that there is not, or that is not the project's."""
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
        "too_many_files": number == MOST_FILES,
        "crumbs": _crumbs(path),
        "folder_path": path,
    }


def _crumbs(path: str) -> list[tuple[str, str]]:
    """Return the folders above, and the one itself, each with its path."""
    parts = PurePosixPath(path).parts  # none of "."
    return [(part, str(PurePosixPath(*parts[: number + 1]))) for number, part in enumerate(parts)]


@require_safe
@sees("view_project")
def file(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
    """Show a file as text; one that is none says so."""
    found, path = get_object_or_404(Project, pk=project_id), request.GET.get("path", "")
    content, refused, is_large = b"", "", False
    try:
        content = project_files.content_of(found, path)
    except NotFound:
        raise Http404("File not found") from None
    except project_files.TooLarge as refusal:
        refused, is_large = f"{refusal.detail} Download it to read it.", True
    except Refusal as refusal:
        refused = refusal.detail
    text = _text(content)
    context = {
        "project": found,
        "path": path,
        "name": PurePosixPath(path).name,
        "crumbs": _crumbs(str(PurePosixPath(path).parent)),
        "size": len(content),
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
    """Send a file of any size in pieces, or the requested range of it: to be saved, never to be run."""
    found, path = get_object_or_404(Project, pk=project_id), request.GET.get("path", "")
    try:
        content = project_files.opened_file(found, path)
    except Refusal:
        raise Http404("File not found") from None
    size = os.fstat(content.fileno()).st_size
    part = _range(request.headers.get("Range", ""), size)
    headers = {
        "Content-Disposition": content_disposition_header(as_attachment=True, filename=_printable(path)),
        "X-Content-Type-Options": "nosniff",
        "Accept-Ranges": "bytes",
        "Content-Encoding": "identity",  # packed it would have another length, and no ranges
    }
    if part is None:
        content.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    first, end = part
    headers["Content-Length"] = str(end - first)
    if (first, end) != (0, size):
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    pieces = project_files.pieces_of(content, first, end - first)
    return StreamingHttpResponse(
        _in_threads(pieces),
        status=206 if "Content-Range" in headers else 200,
        content_type="application/octet-stream",
        headers=headers,
    )


def _printable(path: str) -> str:
    return "".join(character if character.isprintable() else "_" for character in PurePosixPath(path).name)


def _range(header: str, size: int) -> tuple[int, int] | None:
    """Return where a requested range begins and ends (exclusive), None where the file has nothing of it.

    A header that is something else means the whole file.
    """
    asked = _RANGE.fullmatch(header.strip())
    if asked is None or asked.groups() == ("", ""):
        return 0, size
    first, last = asked.groups()
    if not first:
        first, last = str(max(size - int(last), 0)), ""
    end = min(int(last) + 1, size) if last else size
    return (int(first), end) if int(first) < end else None


@require_safe
@sees("view_project")
def archive(request: HttpRequest, project_id: uuid.UUID) -> HttpResponseBase:
    """Send all files of the folder as one zip file, packed while it is sent."""
    found = get_object_or_404(Project, pk=project_id)
    try:
        archives.check(found)
    except NotFound:
        raise Http404("There are no files") from None
    except Refusal as refusal:
        messages.warning(request, f"{refusal.detail}.", extra_tags="warn")
        return redirect("project-files", found.pk)
    name = re.sub(r"[^\w.-]+", "-", found.title).strip("-.")[:80] or "project"
    return StreamingHttpResponse(
        _in_threads(archives.pieces(found)),
        content_type="application/zip",
        headers={
            "Content-Disposition": content_disposition_header(as_attachment=True, filename=f"{name}.zip"),
            "Content-Encoding": "identity",  # it is packed: not once more
            "X-Content-Type-Options": "nosniff",
        },
    )


async def _in_threads(pieces: Generator[bytes, None, None]) -> AsyncIterator[bytes]:
    """Read pieces without holding up the event loop; whoever hangs up ends it."""

    @sync_to_async(thread_sensitive=False)
    def read() -> bytes | None:
        return next(pieces, None)

    try:
        while (piece := await read()) is not None:
            if piece:
                yield piece
    finally:
        await sync_to_async(pieces.close, thread_sensitive=False)()


def _text(content: bytes) -> str | None:
    """Return the content as text, None where it is none."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text
