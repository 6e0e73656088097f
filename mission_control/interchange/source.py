"""Read the files of the folder one object at a time, so that the size of a file does not matter.

An array is split into its elements before each is decoded, so that an invalid value affects only its own object.
The bytes, levels and values of an object are limited while it is read, so that no file fills the memory.
"""

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from rest_framework.exceptions import ParseError

from mission_control.api.parsers import strict_loads

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
CHUNK_BYTES = 64 * 1024
# The limit of one object. The largest one that we write is a document of 5 million escaped characters.
MAX_BYTES = 64 * 1024 * 1024
MAX_LEVELS = 64  # metadata has at most 20
MAX_VALUES = 200_000  # 64 kB of metadata hold far fewer
MISMATCH = "Invalid JSON from here on: unmatched bracket. The rest is not read."

_IN_TEXT = re.compile(rb'["\\]')
_OUTSIDE = re.compile(rb'["{}\[\],]')
_SPACE = b" \t\r\n"


class UnreadableFile(Exception):
    """A file cannot be read, or not beyond this point; the message has the reason."""


class InvalidObject(NamedTuple):
    """Represents an object that cannot be decoded: the reason, and its id if that can be read."""

    reason: str
    id: object = None


def items(path: Path) -> Iterator[Any]:
    """Yield each element of the array in the file, an InvalidObject for one that cannot be decoded.

    Raises UnreadableFile, also in the middle of a file: the elements before are valid.
    """
    try:
        with _opened(path) as file:
            _expect_array(file)
            for element in _Splitter(file).elements():
                yield element if isinstance(element, InvalidObject) else _decoded(element)
    except OSError as error:
        raise UnreadableFile(f"The file cannot be read: {error.strerror}.") from None


def _opened(path: Path) -> IO[bytes]:
    """Open a regular file; opening a named pipe would block. Raises OSError, UnreadableFile."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnreadableFile("This is not a regular file.")
    return os.fdopen(descriptor, "rb")


def _expect_array(file: IO[bytes]) -> None:
    """Read up to and including the bracket that opens the array."""
    if file.read(len(BYTE_ORDER_MARK)) != BYTE_ORDER_MARK:
        file.seek(0)
    while (byte := file.read(1)) and byte in _SPACE:
        pass
    if byte != b"[":
        raise UnreadableFile("The file does not hold a JSON array.")


class _Splitter:
    """Splits an array's text at the commas between its elements, without decoding it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.ended = False  # the array's last bracket was read
        self._begin()

    def _begin(self) -> None:
        """Start the next element."""
        self.parts: list[bytes] = []
        self.size = self.values = 0
        self.open: list[
            int
        ] = []  # the brackets that are open within the element, down to the deepest level allowed
        self.deeper = 0  # how many more are open below that
        self.in_text = self.is_escaped = False
        self.fault = ""

    def elements(self) -> Iterator[bytes | InvalidObject]:
        is_first = True
        while chunk := self.file.read(CHUNK_BYTES):
            start = 0
            for at in self._ends(chunk):
                self._take(chunk[start:at])
                start = at + 1
                element = self._finished()
                if element.strip(_SPACE) if isinstance(element, bytes) else element:
                    yield element
                elif not (is_first and self.ended):
                    yield InvalidObject("Invalid JSON: a value is missing.")
                is_first = False
            if not self.ended:
                self._take(chunk[start:])
            elif chunk[start:].strip(_SPACE):
                raise UnreadableFile("Invalid JSON: text after the array is not read.")
        if not self.ended:
            raise UnreadableFile("Invalid JSON, or the file is truncated, in the object that starts here.")

    def _ends(self, chunk: bytes) -> Iterator[int]:
        """Yield the position of each comma or bracket that ends an element."""
        at = 0
        while at < len(chunk) and not self.ended:
            if self.is_escaped:
                self.is_escaped, at = False, at + 1
                continue
            found = (_IN_TEXT if self.in_text else _OUTSIDE).search(chunk, at)
            if found is None:
                return
            at = found.end()
            if self._is_end(chunk[found.start()]):
                yield found.start()

    def _is_end(self, byte: int) -> bool:
        """Process a structural byte; return whether it ends the element."""
        if self.in_text:
            self.is_escaped = byte == ord("\\")
            self.in_text = self.is_escaped
        elif byte == ord('"'):
            self.in_text = True
        elif byte in b"{[":
            self._count()
            if len(self.open) < MAX_LEVELS:
                self.open.append(byte)
            else:
                self.deeper += 1
                self._reject(f"Must not have more than {MAX_LEVELS} levels.")
        elif byte == ord(","):
            self._count()
            return not self.open
        elif self.deeper:
            self.deeper -= 1
        elif self.open:
            if self.open.pop() != (ord("{") if byte == ord("}") else ord("[")):
                raise UnreadableFile(MISMATCH)
        elif byte == ord("]"):
            self.ended = True
            return True
        else:
            raise UnreadableFile(MISMATCH)
        return False

    def _count(self) -> None:
        self.values += 1
        if self.values > MAX_VALUES:
            self._reject(f"Must not hold more than {MAX_VALUES:,} values.")

    def _take(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size > MAX_BYTES:
            self._reject(f"Must not be larger than {MAX_BYTES // 2**20} MB.")
        if not self.fault:
            self.parts.append(piece)

    def _reject(self, reason: str) -> None:
        self.fault = self.fault or reason
        self.parts.clear()

    def _finished(self) -> bytes | InvalidObject:
        element = InvalidObject(self.fault) if self.fault else b"".join(self.parts)
        self._begin()
        return element


def _decoded(element: bytes) -> Any:
    """Return the value of one element; an InvalidObject if it cannot be decoded."""
    try:
        text = element.decode("utf-8")
    except UnicodeDecodeError:
        return InvalidObject("Invalid JSON: it is not UTF-8.")
    try:
        return strict_loads(text)
    except ParseError as error:
        return InvalidObject(str(error.detail), _id_in(text))


def _id_in(text: str) -> object:
    """Return the id of an object that is invalid JSON but accepted by Python's decoder."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value.get("id") if isinstance(value, dict) else None
