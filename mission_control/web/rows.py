"""Times as pages write them."""

from datetime import datetime

from django.utils import timezone


def seconds_since(moment: datetime) -> float:
    """Return the seconds since a moment; 0 for one to come."""
    return max((timezone.now() - moment).total_seconds(), 0.0)


def clock(seconds: float | None) -> str:
    """Write a duration as mm:ss, from an hour on as h:mm:ss; nothing for None."""
    if seconds is None:
        return ""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"
