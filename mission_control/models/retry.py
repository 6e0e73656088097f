"""The retry policy of a task."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError

MAX_ATTEMPTS = 10
LONGEST_BACKOFF_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A task's `metadata.retry`: the total number of attempts, and the first pause, which doubles each time."""

    attempts: int
    backoff_seconds: int

    @classmethod
    def read(cls, value: Any) -> "RetryPolicy":
        """Parse a JSON value. Raises ValueError with a text for users."""
        if not isinstance(value, Mapping) or set(value) - {"attempts", "backoff_seconds"}:
            raise ValueError("retry must be an object of attempts and backoff_seconds.")
        attempts, backoff = value.get("attempts"), value.get("backoff_seconds", 0)
        if type(attempts) is not int or not 1 <= attempts <= MAX_ATTEMPTS:  # a bool is an int, too
            raise ValueError(f"retry.attempts must be a whole number from 1 to {MAX_ATTEMPTS}.")
        if type(backoff) is not int or not 0 <= backoff <= LONGEST_BACKOFF_SECONDS:
            raise ValueError(f"retry.backoff_seconds must be a whole number from 0 to {LONGEST_BACKOFF_SECONDS}.")
        return cls(attempts, backoff)

    def pause(self, failures: int) -> timedelta:
        """Return the pause after this number of consecutive failures, a day at most."""
        return timedelta(seconds=min(self.backoff_seconds * 2 ** (failures - 1), LONGEST_BACKOFF_SECONDS))


def retry_policy(metadata: Any) -> None:
    """Raise ValidationError for a task's metadata with an invalid `retry`."""
    if isinstance(metadata, Mapping) and "retry" in metadata:
        try:
            RetryPolicy.read(metadata["retry"])
        except ValueError as error:
            raise ValidationError(str(error)) from None
