"""Limits the number of streams that each user may have open in this web process."""

import threading
import weakref
from collections import Counter

from django.conf import settings

from mission_control.errors import Refusal


class TooManyStreams(Refusal):
    """The user already has as many open streams as the settings allow."""

    status = 429
    retry_after_seconds = 10

    def __init__(self) -> None:
        number = settings.MAX_STREAMS_PER_USER
        super().__init__(f"You already have {number} open streams. Close one, or follow the runs over a WebSocket")


class StreamPlace:
    """One open stream, counted until `release` is called or the object is garbage-collected."""

    _open: Counter[int] = Counter()
    _lock = threading.Lock()  # views run in threads

    def __init__(self, user_id: int) -> None:
        """Count a stream of this user. Raises TooManyStreams."""
        with self._lock:
            if self._open[user_id] >= settings.MAX_STREAMS_PER_USER:
                raise TooManyStreams
            self._open[user_id] += 1
        self.release = weakref.finalize(self, self._leave, user_id)  # takes effect only once

    @classmethod
    def _leave(cls, user_id: int) -> None:
        with cls._lock:
            cls._open[user_id] -= 1
            if not cls._open[user_id]:
                del cls._open[user_id]
