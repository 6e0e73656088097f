"""Standard output and standard error as a shell may provide them: closed, full, or a pipe without a reader."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

READER_GONE = 141  # 128 + SIGPIPE, as a shell reports a program that was ended by a closed pipe
NOT_WRITTEN = 74  # EX_IOERR


class Stream(io.TextIOWrapper):
    """A standard stream that replaces characters it cannot encode, and remembers its failure."""

    failure: OSError | None = None
    must_be_written = True  # a failure ends the command

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._on_failure(error)
        return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._on_failure(error)

    def _on_failure(self, error: OSError) -> None:
        self.failure = error
        if self.must_be_written:
            raise error

    def discard_unwritten(self) -> None:
        """Discard unwritten output, which would cause an error at Python's exit."""
        if self.failure is not None:
            with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a descriptor is needed
                os.dup2(nowhere.fileno(), self.fileno())


class ErrorStream(Stream):
    """Standard error: output that cannot be written is lost, and the command continues."""

    must_be_written = False


def open_missing() -> None:
    """Open closed standard streams, so that no file gets their descriptors. Writing to them still fails."""
    while (descriptor := os.open(os.devnull, os.O_RDONLY)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


@contextmanager
def prepared() -> Iterator[None]:
    """Replace the standard streams, so that a failure exits with status 141 or 74 instead of a traceback."""
    open_missing()
    out, err = _wrapped(sys.stdout, 1, Stream), _wrapped(sys.stderr, 2, ErrorStream)
    sys.stdout, sys.stderr = out, err
    try:
        try:
            yield
        finally:
            out.flush()
    except OSError as error:
        if error is not out.failure:
            raise
        if error.errno == errno.EPIPE:
            raise SystemExit(READER_GONE) from None
        sys.stderr.write(f"The output cannot be written: {error.strerror}\n")
        raise SystemExit(NOT_WRITTEN) from None
    finally:
        err.flush()
        out.discard_unwritten()
        err.discard_unwritten()


def _wrapped(stream: TextIO | None, descriptor: int, kind: type[Stream]) -> Stream:
    """Return the stream with the given descriptor, wrapped to remember failures."""
    encoding = (stream.encoding if stream else None) or "utf-8"
    if stream is not None:
        stream.flush()
    raw = open(descriptor, "wb", buffering=io.DEFAULT_BUFFER_SIZE, closefd=False)  # noqa: SIM115
    is_terminal = os.isatty(descriptor)
    return kind(raw, encoding=encoding, errors="replace", line_buffering=is_terminal or descriptor == 2)
