"""The worker reports to `up` that it is ready: a byte through a pipe that it inherits."""

import os
import select
from contextlib import suppress

VARIABLE = "MISSION_CONTROL_READY"  # the descriptor of the worker's end


class ReadinessReceiver:
    """The receiving end of the pipe, in `up`."""

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        self._has_arrived = False

    def has_arrived(self) -> bool:
        """Return whether the worker has reported, without blocking."""
        if not self._has_arrived and select.select([self._reader], [], [], 0)[0]:
            self._has_arrived = os.read(self._reader, 1) != b""
        return self._has_arrived

    def close(self) -> None:
        os.close(self._reader)


class ReadinessSender:
    """The sending end of the pipe, in the worker; does nothing in a worker that was started by hand."""

    def __init__(self) -> None:
        """Remove the descriptor from the environment, so that no agent inherits it."""
        self._writer = int(os.environ.pop(VARIABLE, "-1"))

    def send(self) -> None:
        if self._writer < 0:
            return
        writer, self._writer = self._writer, -1
        with suppress(OSError):
            os.write(writer, b".")
        os.close(writer)
