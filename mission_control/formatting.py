"""Format costs, token counts, shares, sizes, times and durations, each with one function for all texts."""

from datetime import UTC, datetime
from decimal import Decimal

from django.utils import timezone

UNKNOWN = "–"


def dollars(amount: float | Decimal | None) -> str:
    """Write a cost: $1,234.50; below ten cents with up to four decimals: $0.0042."""
    if amount is None:
        return UNKNOWN
    if 0 < amount < 0.00005:
        return "< $0.0001"
    return f"${amount:,.2f}" if amount == 0 or amount >= 0.1 else f"${amount:,.4f}".removesuffix("00")


def short_count(number: int | None) -> str:
    """Write a number of tokens in few characters: 950, 4.1k, 18.4k, 412k, 1.2M."""
    if number is None:
        return UNKNOWN
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if number >= size * 0.9995:  # 999,500 is written 1M, not 1000k
            scaled = number / size
            return (f"{scaled:.1f}" if scaled < 99.95 else f"{scaled:,.0f}").removesuffix(".0") + unit
    return str(number)


def full_count(number: int | None) -> str:
    """Write a number of tokens with all its digits: 18,412."""
    return UNKNOWN if number is None else f"{number:,}"


def percent(part: float, whole: float) -> str:
    """Write a share: 75%. 0% and 100% are written only for exactly nothing and all."""
    if not whole:
        return UNKNOWN
    share = round(100 * part / whole)
    return f"{share if part in (0, whole) else min(max(share, 1), 99)}%"


def clock(seconds: float | None) -> str:
    """Write how long something has run: mm:ss, from an hour on h:mm:ss. Nothing for None."""
    if seconds is None:
        return ""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"


def duration(seconds: float | None) -> str:
    """Write a length of time in words: 1.2 s, 45 s, 5 min, 2 h 5 min. Nothing for None."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f}".removesuffix(".0") + " s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def utc_time(moment: datetime, *, with_seconds: bool = False) -> str:
    """Write a moment where the reader's time zone is not known: 2026-11-23 09:30 UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M{':%S' if with_seconds else ''}} UTC"


def file_size(size: int) -> str:
    """Write a number of bytes: 512 B, 2.9 KB, 1.4 MB."""
    if size < 1024:
        return f"{size} B"
    return f"{size / 1024:.1f} KB" if size < 1024**2 else f"{size / 1024**2:.1f} MB"


def seconds_since(moment: datetime) -> float:
    """Return the seconds since a moment; 0 for one to come."""
    return max((timezone.now() - moment).total_seconds(), 0.0)
