"""Standard output and standard error as a shell hands them over: closed, full, a pipe whose reader has left."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

READER_GONE = 141  # 128 + SIGPIPE, as a shell shows programs that a pipe ended
NOT_WRITTEN = 74  # EX_IOERR


class Stream(io.TextIOWrapper):
    """A standard stream that replaces characters it cannot write, and remembers its failure."""

    failure: OSError | None = None
    must_be_written = True  # a failure ends the command

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._failed(error)
        return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        self.failure = error
        if self.must_be_written:
            raise error

    def give_up(self) -> None:
        """Write what could not be written to nowhere: Python would complain of it at its exit."""
        if self.failure is not None:
            with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a descriptor is asked for
                os.dup2(nowhere.fileno(), self.fileno())


class ErrorStream(Stream):
    """Standard error: what cannot be written there is lost, and the command goes on."""

    must_be_written = False


def open_missing() -> None:
    """Open closed standard streams, so that no file gets their numbers. To write to them fails, as before."""
    while (descriptor := os.open(os.devnull, os.O_RDONLY)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


@contextmanager
def prepared() -> Iterator[None]:
    """Give the block streams that fail in an orderly way: exit status 141 or 74 instead of a traceback."""
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
        out.give_up()
        err.give_up()


def _wrapped(stream: TextIO | None, descriptor: int, kind: type[Stream]) -> Stream:
    """Return the stream in a form that notes its failures; it is the one with that descriptor."""
    encoding = (stream.encoding if stream else None) or "utf-8"
    if stream is not None:
        stream.flush()
    raw = open(descriptor, "wb", buffering=io.DEFAULT_BUFFER_SIZE, closefd=False)  # noqa: SIM115
    is_terminal = os.isatty(descriptor)
    return kind(raw, encoding=encoding, errors="replace", line_buffering=is_terminal or descriptor == 2)
