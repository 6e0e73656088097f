"""Images of the working folder as the content blocks in which Claude sees them."""

import base64
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from agents import folders
from agents.file_kinds import HEAD_BYTES, IMAGES, content_type_of

MOST_IMAGES = 10  # in one message
MOST_BYTES = 3_700_000  # of one image: Anthropic takes 5 MB in base64


def image_blocks(paths: Sequence[Path], workdir: Path) -> Iterator[dict[str, Any]]:
    """Yield the images among these files of the working folder.

    Others, too large ones and those that are gone are left out: the text names their paths.
    """
    found = 0
    for path in paths:
        data = _data(workdir / path, workdir)
        kind = content_type_of(data[:HEAD_BYTES])
        if data and kind in IMAGES and found < MOST_IMAGES:
            found += 1
            source = {"type": "base64", "media_type": kind, "data": base64.b64encode(data).decode()}
            yield {"type": "image", "source": source}


def _data(path: Path, workdir: Path) -> bytes:
    """Return the content of a regular file in the folder; empty if there is none, or if it is too large.

    Agents write in this folder, so a link that leads out of it is not followed.
    """
    root = folders.root_of(workdir)
    with suppress(OSError, folders.OutsideFolder):
        descriptor = folders.open_inside(root, folders.resolve_inside(root, str(path)))
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode) and status.st_size <= MOST_BYTES:
                return file.read(MOST_BYTES)
    return b""
