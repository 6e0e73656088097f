"""The files of the working folder, for an agent that asks us to read and write them; nothing outside of it."""

import errno
import os
import stat
from itertools import islice
from pathlib import Path

from agents import folders

FILE_BYTES = 5_000_000  # of one file, read or written
READ_BYTES = 100_000_000  # of all that is read in one run: the agent need not read our answers


class FileRefused(Exception):
    """The file cannot be read or written. The message is for the agent."""


class FileMissing(Exception):
    """There is no such file."""


class Files:
    """The files of one run."""

    def __init__(self, workdir: Path) -> None:
        self._root = folders.root_of(workdir)
        self._left = READ_BYTES

    def read(self, path: str, first_line: int | None = None, most_lines: int | None = None) -> str:
        """Return a text file, or some of its lines. Raises FileMissing, FileRefused."""
        content = self.read_bytes(path)
        self._left -= len(content)
        if self._left < 0:
            raise FileRefused(f"More than {READ_BYTES:,} bytes were read in this run")
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise FileRefused("The file is not UTF-8 text") from None
        if "\0" in text:
            raise FileRefused("The file is not text")
        if first_line is None and most_lines is None:
            return text
        start = max((first_line or 1) - 1, 0)
        stop = None if most_lines is None else start + most_lines
        return "".join(islice(text.splitlines(keepends=True), start, stop))

    def write(self, path: str, text: str) -> None:
        """Replace a file, and create missing folders. Raises FileRefused."""
        try:
            data = text.encode()
        except UnicodeEncodeError:
            raise FileRefused("The text cannot be written as UTF-8") from None
        if len(data) > FILE_BYTES:
            raise FileRefused(f"The text has more than {FILE_BYTES:,} bytes")
        real = self._resolved(path)
        if real == self._root:
            raise FileRefused("The path is the folder itself")
        try:
            folders.replace_file(self._root, real, data)
        except OSError as error:
            raise FileRefused(f"Cannot be written: {error.strerror or type(error).__name__}") from None

    def read_bytes(self, path: str) -> bytes:
        """Return a file's content. Raises FileMissing, FileRefused."""
        try:
            descriptor = folders.open_inside(self._root, self._resolved(path))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                raise FileMissing from None
            raise FileRefused(f"Cannot be read: {error.strerror or type(error).__name__}") from None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileRefused("Not a regular file")
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(FILE_BYTES + 1)
        finally:
            os.close(descriptor)
        if len(content) > FILE_BYTES:
            raise FileRefused(f"The file has more than {FILE_BYTES:,} bytes")
        return content

    def _resolved(self, path: str) -> Path:
        try:
            return folders.resolve_inside(self._root, path)
        except folders.OutsideFolder:
            raise FileRefused("The path leads out of the working folder") from None
