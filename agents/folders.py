"""Reach what lies below a folder, and nothing outside of it, whatever links an agent puts there meanwhile.

A path is made real first, so that links within the folder work; then it is walked part by part, and no part may be
a link: one that was put there after the check leads nowhere.
"""

import os
from contextlib import suppress
from pathlib import Path

PATH_CHARS = 4_096
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a named pipe would wait for a writer


class Outside(Exception):
    """The path does not lead into the folder."""


def inside(root: Path, path: str) -> Path:
    """Return the real path that `path` leads to from the folder, which is itself real. Raises Outside."""
    real = None
    with suppress(ValueError, RuntimeError, OSError):  # a NUL; links in a circle; a name that is too long
        real = (root / path).resolve()
    if real is None or not real.is_relative_to(root) or len(path) > PATH_CHARS:
        raise Outside
    return real


def opened(root: Path, real: Path, *, making: str = "") -> int:
    """Open what `inside` found, for reading; `making="folders"` makes the folders that are missing.

    The caller closes the descriptor. Raises OSError.
    """
    descriptor = os.open(root.parent, READ)
    for part in (root.name, *real.relative_to(root).parts):
        try:
            if making == "folders":
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=descriptor)
            inner = os.open(part, READ, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor
