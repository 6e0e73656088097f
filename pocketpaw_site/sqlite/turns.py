"""Turns: a lock that waiting threads get in the order in which they requested it."""

import threading
from collections import deque


class Turns:
    """One holder at a time; the next one is who has waited longest. Not reentrant."""

    def __init__(self) -> None:
        self._guard = threading.Lock()  # of the fields below; never held while waiting
        self._is_taken = False
        self._waiting: deque[threading.Lock] = deque()

    def take(self, seconds: float) -> bool:
        """Wait for a turn; return False if none came within `seconds`."""
        with self._guard:
            if not self._is_taken:
                self._is_taken = True
                return True
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        try:
            has_come = mine.acquire(timeout=seconds)
        except BaseException:  # of a signal handler, such as the one that ends a job
            if not self._withdraw(mine):
                self.give()
            raise
        return has_come or not self._withdraw(mine)

    def _withdraw(self, waiter: threading.Lock) -> bool:
        """Stop waiting; return False if the turn has come in the meantime."""
        with self._guard:
            is_waiting = waiter in self._waiting
            if is_waiting:
                self._waiting.remove(waiter)
        return is_waiting

    def give(self) -> None:
        """End the turn, and begin that of the next waiter."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False
