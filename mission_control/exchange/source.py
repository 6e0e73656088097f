"""The files as they lie in the folder: read piece by piece, so that their size does not matter."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import ijson

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Unreadable(Exception):
    """A file cannot be read, or not from here on; the text says why."""


def items(path: Path) -> Iterator[Any]:
    """Yield what the array in the file has. Raises Unreadable, in mid-way too: what came before is good."""
    try:
        with path.open("rb") as file:
            _expect_array(file)
            yield from ijson.items(file, "item", use_float=True)
    except OSError as error:
        raise Unreadable(f"The file cannot be read: {error.strerror}.") from None
    except ijson.JSONError:
        raise Unreadable("The JSON is broken, or not in UTF-8, from here on; what follows is not read.") from None


def _expect_array(file: IO[bytes]) -> None:
    """Leave the file where its array begins; elsewhere the parser would find nothing and say nothing."""
    if file.read(len(BYTE_ORDER_MARK)) != BYTE_ORDER_MARK:
        file.seek(0)
    while (byte := file.read(1)) in (b" ", b"\t", b"\r", b"\n"):
        pass
    if byte != b"[":
        raise Unreadable("The file does not hold a JSON array.")
    file.seek(-1, 1)
