"""Send a file of any size, or a requested range of it, in pieces, as an attachment that browsers do not run."""

import os
import re
from collections.abc import AsyncIterator, Generator
from pathlib import PurePosixPath
from typing import BinaryIO

from asgiref.sync import sync_to_async
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from mission_control.queries.project_files import pieces_of

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)  # one part; several are sent as the whole


def file_response(file: BinaryIO, path: str, *, range_header: str | None) -> HttpResponseBase:
    """Return the response that sends an open file and closes it; `range_header` is the request's Range header."""
    size = os.fstat(file.fileno()).st_size
    part = _range(range_header or "", size)
    headers = {**as_attachment(path), "Accept-Ranges": "bytes"}
    if part is None:
        file.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    first, end = part
    headers["Content-Encoding"] = "identity"  # compression would change the length and break ranges
    headers["Content-Length"] = str(end - first)
    if (first, end) != (0, size):
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    return StreamingHttpResponse(
        in_threads(pieces_of(file, first, end - first)),
        status=206 if "Content-Range" in headers else 200,
        content_type="application/octet-stream",
        headers=headers,
    )


def as_attachment(path: str) -> dict[str, str]:
    """Return the headers that make a browser save a file under its name; remove characters invalid in a header."""
    name = "".join(character if character.isprintable() else "_" for character in PurePosixPath(path).name)
    return {
        "Content-Disposition": content_disposition_header(as_attachment=True, filename=name),
        "X-Content-Type-Options": "nosniff",
    }


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
