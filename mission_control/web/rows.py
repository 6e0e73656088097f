"""Times as pages show them."""

from datetime import datetime

from django.utils import timezone


def seconds_since(moment: datetime) -> float:
    """Return the seconds since a moment; 0 for one to come."""
    return max((timezone.now() - moment).total_seconds(), 0.0)
