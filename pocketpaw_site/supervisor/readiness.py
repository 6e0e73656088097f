"""How `up` hears that its worker works: a byte through a pipe that the worker inherits."""

import os
import select
from contextlib import suppress

VARIABLE = "MISSION_CONTROL_READY"  # the descriptor of the worker's end


class Awaited:
    """The end that hears."""

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        self._has_come = False

    def has_come(self) -> bool:
        """Tell whether the worker said so. It does not block."""
        if not self._has_come and select.select([self._reader], [], [], 0)[0]:
            self._has_come = os.read(self._reader, 1) != b""
        return self._has_come

    def close(self) -> None:
        os.close(self._reader)


class Teller:
    """The end that tells, once; silent where nobody asked, as in a worker that was started by hand."""

    def __init__(self) -> None:
        """Take the descriptor out of the environment: no agent inherits it."""
        self._writer = int(os.environ.pop(VARIABLE, "-1"))

    def tell(self) -> None:
        if self._writer < 0:
            return
        writer, self._writer = self._writer, -1
        with suppress(OSError):
            os.write(writer, b".")
        os.close(writer)
