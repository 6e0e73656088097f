"""Send a file of any size, or a requested range of it, in pieces.

Images are shown by browsers, everything else is saved. Agents write these files, so no browser may run one: its
type is decided by its content, `nosniff` forbids to guess another one, and the policy allows nothing in it.
"""

import os
import re
from collections.abc import AsyncIterator, Generator
from pathlib import PurePosixPath
from typing import BinaryIO

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from agents.file_kinds import BINARY, HEAD_BYTES, IMAGES, content_type_of
from mission_control.queries.project_files import pieces_of

POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"  # a browser styles its own page around an image
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)  # one part; several are sent as the whole


def file_response(file: BinaryIO, path: str, request: HttpRequest) -> HttpResponseBase:
    """Return the response that sends an open file, or the requested part of it, and closes it."""
    status = os.fstat(file.fileno())
    size = status.st_size
    etag = f'"{status.st_mtime_ns:x}-{size:x}-{status.st_ino:x}"'
    content_type = image_type(file) or BINARY
    headers = {**headers_of(path, content_type), "Accept-Ranges": "bytes", "ETag": etag}
    if _is_known(request.headers.get("If-None-Match", ""), etag):
        file.close()
        return HttpResponse(status=304, headers=headers)
    is_current = request.headers.get("If-Range", etag) == etag
    part = _range(request.headers.get("Range", "") if is_current else "", size)
    if part is None:
        file.close()
        return HttpResponse(status=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    first, end = part
    headers["Content-Encoding"] = "identity"  # compression would change the length and break ranges
    headers["Content-Length"] = str(end - first)
    if (first, end) != (0, size):
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    number = 206 if "Content-Range" in headers else 200
    if request.method == "HEAD":
        file.close()
        return HttpResponse(status=number, content_type=content_type, headers=headers)
    pieces = in_threads(pieces_of(file, first, end - first))
    return StreamingHttpResponse(pieces, status=number, content_type=content_type, headers=headers)


def image_type(file: BinaryIO) -> str:
    """Return the content type of an open file that browsers may show; empty for any other file."""
    head = file.read(HEAD_BYTES)
    file.seek(0)
    content_type = content_type_of(head)
    return content_type if content_type in IMAGES else ""


def headers_of(path: str, content_type: str) -> dict[str, str]:
    """Return the headers with which a file is sent: shown if it is an image, else saved under its name.

    Characters that are invalid in a header are removed from the name.
    """
    name = "".join(character if character.isprintable() else "_" for character in PurePosixPath(path).name)
    is_image = content_type in IMAGES
    disposition = content_disposition_header(as_attachment=not is_image, filename=name) or "inline"
    return {
        "Content-Disposition": disposition,
        "Content-Security-Policy": POLICY,
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        **({"Cache-Control": "private, no-cache"} if is_image else {}),
    }


def _is_known(header: str, etag: str) -> bool:
    """Return whether an If-None-Match header names this version of the file."""
    return etag in (one.strip().removeprefix("W/") for one in header.split(","))


async def in_threads(pieces: Generator[bytes, None, None]) -> AsyncIterator[bytes]:
    """Read pieces in threads, without blocking the event loop; stop when the client disconnects."""

    @sync_to_async(thread_sensitive=False)
    def read() -> bytes | None:
        return next(pieces, None)

    try:
        while (piece := await read()) is not None:
            if piece:
                yield piece
    finally:
        await sync_to_async(pieces.close, thread_sensitive=False)()


def _range(header: str, size: int) -> tuple[int, int] | None:
    """Return the start and the end (exclusive) of a requested range; None if it is outside the file.

    Any other header means the whole file.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return 0, size
    first, last = match.groups()
    if not first:
        first, last = str(max(size - int(last), 0)), ""
    end = min(int(last) + 1, size) if last else size
    return (int(first), end) if int(first) < end else None
