"""Tools for models: access to the files of the project's folder, and nothing outside of it.

Errors are returned to the model as the tool's result, so that it can try something else. Everything is limited:
the bytes read and written, the entries and matches returned, and the files searched.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from agents import folders

READ_BYTES = 200_000  # about 50,000 tokens
PASSED_BYTES = 50_000_000  # skipped in a file to reach a line
WRITE_BYTES = 1_000_000
MAX_ENTRIES = 500
MAX_MATCHES = 200
MAX_FILES = 5_000  # read by one search
SEARCHED_BYTES = 1_000_000  # of each file
LINE_CHARS = 300


class Tools:
    """The tools of one run, as methods; the model receives their docstrings as descriptions."""

    def __init__(self, workdir: Path) -> None:
        self._root = folders.root_of(workdir)

    def with_names(self, names: list[str]) -> list[Callable[..., str]]:
        """Return the tools with these names. Each returns a refusal as text."""
        tools: Mapping[str, Callable[..., str]] = {name: getattr(self, name) for name in TOOLS}
        return [tools[name] for name in TOOLS if name in names]

    def read_file(self, path: str, first_line: int = 1) -> str:
        """Read a text file, from the given line on. Paths are relative to the project's folder."""
        with _failure_as_text() as words, self._open(path) as descriptor:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return f"{path} is no file"
            with open(descriptor, "rb", closefd=False) as file:
                for _ in range(first_line - 1):
                    if not file.readline(SEARCHED_BYTES):
                        return f"{path} has no line {first_line}"
                    if file.tell() > PASSED_BYTES:
                        return f"Line {first_line} is too far into {path}"
                content = file.read(READ_BYTES + 1)
            return _text(content)
        return words[0]

    def write_file(self, path: str, content: str) -> str:
        """Write a whole text file; the one that was there is replaced, and missing folders are made.

        Paths are relative to the project's folder.
        """
        data = content.encode(errors="replace")
        if len(data) > WRITE_BYTES:
            return f"Not written: more than {WRITE_BYTES:,} bytes"
        with _failure_as_text() as words:
            real = folders.resolve_inside(self._root, path)
            if real == self._root:
                return "Not written: that is the folder itself"
            folders.replace_file(self._root, real, data)
            return f"Written: {len(data):,} bytes"
        return words[0]

    def list_files(self, path: str = ".") -> str:
        """List a folder: one entry a line, folders with a slash at the end, files with their size in bytes.

        Paths are relative to the project's folder.
        """
        with _failure_as_text() as words, self._open(path) as descriptor, os.scandir(descriptor) as entries:
            lines = sorted(map(_entry, islice(entries, MAX_ENTRIES)))
            more = next(entries, None) is not None
            return "\n".join([*lines, *(["… and more"] if more else [])]) or "The folder is empty"
        return words[0]

    def search_files(self, text: str, path: str = ".") -> str:
        """Find a text, upper and lower case alike, in the files of a folder and of the folders below it.

        The text lies within one line and is no pattern. Paths are relative to the project's folder.
        """
        if not text:
            return "There is nothing to find"
        with _failure_as_text() as words, self._open(path) as descriptor:
            found = list(islice(_matches(descriptor, text.casefold()), MAX_MATCHES + 1))
            more = ["… and more"] if len(found) > MAX_MATCHES else []
            return "\n".join([*found[:MAX_MATCHES], *more]) or "Nothing was found"
        return words[0]

    @contextmanager
    def _open(self, path: str) -> Iterator[int]:
        descriptor = folders.open_inside(self._root, folders.resolve_inside(self._root, path))
        try:
            yield descriptor
        finally:
            os.close(descriptor)


TOOLS = ("read_file", "write_file", "list_files", "search_files")
TOOLS_SCHEMA = {
    "type": "array",
    "maxItems": len(TOOLS),
    "items": {"type": "string", "enum": list(TOOLS)},
    "description": "file access in the project folder; default: none",
}


@contextmanager
def _failure_as_text() -> Iterator[list[str]]:
    """Turn an error into the text that the model receives, without the path, which is the server's own."""
    words: list[str] = []
    try:
        yield words
    except folders.OutsideFolder:
        words.append("Refused: the path leads out of the project's folder")
    except OSError as error:
        words.append(f"It did not work: {error.strerror or type(error).__name__}")


def _text(content: bytes) -> str:
    if b"\0" in content[:8_192]:
        return "It is no text"
    text = content[:READ_BYTES].decode(errors="replace")
    return f"{text}\n… cut off after {READ_BYTES:,} bytes" if len(content) > READ_BYTES else text


def _entry(entry: os.DirEntry[str]) -> str:
    name = os.fsencode(entry.name).decode(errors="replace")
    if entry.is_dir(follow_symlinks=False):
        return f"{name}/"
    size = 0
    with suppress(FileNotFoundError):  # it was just removed
        size = entry.stat(follow_symlinks=False).st_size
    return f"{name}  {size:,}"


def _matches(folder: int, wanted: str) -> Iterator[str]:
    """Yield each line that contains `wanted`, with its file and number."""
    for place, lines in islice(_files(folder), MAX_FILES):
        for number, line in enumerate(lines, start=1):
            if wanted in line.casefold():
                yield f"{place}:{number}: {line.strip()[:LINE_CHARS]}"


def _files(folder: int) -> Iterator[tuple[str, list[str]]]:
    """Yield each file's path and lines. Links are not followed, and hidden folders are skipped."""
    for place, below, names, descriptor in os.fwalk(".", dir_fd=folder, follow_symlinks=False):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(names):
            shown = os.fsencode(os.path.normpath(Path(place, name))).decode(errors="replace")
            yield shown, _lines(descriptor, name)


def _lines(folder: int, name: str) -> list[str]:
    """Return the lines of a text file; none if it is not text, too large, or not a file."""
    try:
        descriptor = os.open(name, folders.READ, dir_fd=folder)
    except OSError:
        return []
    with open(descriptor, "rb") as file:  # noqa: PTH123
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > SEARCHED_BYTES:
            return []
        content = file.read(SEARCHED_BYTES)
    return [] if b"\0" in content[:8_192] else content.decode(errors="replace").splitlines()
