"""Open files below a folder and nothing outside of it, even if an agent creates links at the same time.

A path is resolved first, so that links within the folder work; then it is opened part by part, and no part may be
a link: a link that is created after the check cannot be followed.
"""

import os
from contextlib import suppress
from pathlib import Path

PATH_CHARS = 4_096
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a named pipe would wait for a writer


class OutsideFolder(Exception):
    """The path does not lead into the folder."""


def resolve_inside(root: Path, path: str) -> Path:
    """Return the resolved path of `path` below `root`, which must be resolved already. Raises OutsideFolder."""
    real = None
    with suppress(ValueError, RuntimeError, OSError):  # a NUL; a cycle of links; a name that is too long
        real = (root / path).resolve()
    if real is None or not real.is_relative_to(root) or len(path) > PATH_CHARS:
        raise OutsideFolder
    return real


def open_inside(root: Path, real: Path, *, making: str = "") -> int:
    """Open a path from `resolve_inside` for reading; `making="folders"` creates missing folders.

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
