"""Read from a provider's words and headers that a quota is used up, and when it resets.

The words are those of command-line agents and providers, such as "You've hit your limit · resets 3pm
(Europe/Berlin)", "try again in 5 hours 12 minutes", "Your quota will reset after 10h22m7s", or "usage limit
reached|1767225600". They may be wrong or hostile: nothing here raises, and a time that cannot be understood is
None. How long a run may wait at most is decided by its caller.

- `says_used_up(words)`: whether the words say that a quota is used up.
- `reset_time(words)`: the time in the words.
- `reset_time_of_headers(headers)`: the time in the headers of an HTTP answer.
- `used_up(message, words, account=…)`: the error to raise for these words; None if they are about something else.
- `account_of_key(provider, key)`: the account of an API key.

All times are aware and in UTC.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

from agents.backends.base import QuotaUsedUp

# A longer wait is not made within a call: the run is parked.
LONGEST_WAIT_IN_CALL = timedelta(minutes=5)
READ_CHARS = 10_000
JUST_PASSED = timedelta(minutes=10)  # "resets 3pm" that is read at 15:02 means today

_USED_UP = re.compile(
    r"""
    usage\ limit | \blimit\ (?:has\ been\ )?(?:reached|exceeded|exhausted)\b.{0,80}\breset
    | \b(?:hit|reached|exceeded|exhausted)\ (?:your|the|its)\ (?:[\w-]+\ ){0,4}(?:limit|quota|allowance|capacity)
    | \b(?:\d+-hour|hourly|daily|weekly|monthly|session)\ (?:[\w-]+\ ){0,2}limit\ (?:reached|exceeded|hit)
    | \bout\ of\ (?:[\w-]+\ ){0,2}(?:usage|credits?|quota|requests)\b
    | \bquota\b.{0,60}\b(?:exceeded|exhausted|used\ up|reached|will\ reset)
    | \b(?:exceeded|exhausted|insufficient|no)\ (?:[\w-]+\ ){0,3}quota\b
    | insufficient_quota | quota_exceeded | usage_limit | credit\ balance\ is\ too\ low | insufficient\ credits
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
# Limits of one request or of the machine: no waiting helps.
_OTHER_LIMIT = re.compile(
    r"\b(?:context|window|input|output|prompt|response|length|size|turns?|steps?|iterations?|time"
    r"|timeout|memory|cpu|disk|storage|files?|filesystem|process(?:es)?|connections?|recursion|depth|retry|retries"
    r"|(?<!daily )(?<!weekly )(?<!monthly )(?<!hourly )tokens?)"
    r"[ -](?:usage )?(?:limit|quota|allowance|capacity)\b",
    re.IGNORECASE,
)
_RATE_LIMITED = re.compile(r"rate.?limit|too many requests|\b429\b|RESOURCE_EXHAUSTED", re.IGNORECASE)

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = r"\d{1,9}(?:\.\d{1,9})?\ ?(?:days?|d|hours?|hrs?|h|minutes?|mins?|ms|milliseconds?|m|seconds?|secs?|s)\b"
_TOGETHER = r"\d{1,9}(?:\.\d{1,9})?(?:d|h|m(?!s)|s|ms)"  # 10h22m7s
_LENGTH = re.compile(
    rf"\b(?:in|after|wait|within|retryDelay\W{{1,5}})\s*(?:about\ )?"
    rf"((?:{_TOGETHER}){{2,5}}(?!\w)|{_PART}(?:(?:,?\ (?:and\ )?){_PART}){{0,4}})",
    re.IGNORECASE,
)
_ONE_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\ ?(ms|milli|d|h|m|s)", re.IGNORECASE)
_EPOCH = re.compile(r"(?:\||reset\w*\W{1,5}(?:at\W{1,3})?)(1\d{9}|1\d{12})(?!\d)", re.IGNORECASE)
_ISO = re.compile(r"\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?", re.IGNORECASE)

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(
    rf"""
    \b(?:resets?|again|until|available|back)\b (?:\ (?:at|on|by))? \ \W{{0,3}}
    (?: (?P<month>{"|".join(_MONTHS)})[a-z]*\.?\ (?P<day>\d{{1,2}})(?:st|nd|rd|th)? (?:,?\ (?P<year>20\d\d))?
        (?:,|\ at|,\ at)?\ | (?P<weekday>{"|".join(_DAYS)})[a-z]*\.?(?:,|\ at)?\ )?
    (?P<hour>\d{{1,2}}) (?::(?P<minute>\d\d))? (?::\d\d)? (?:\s?(?P<half>[ap])\.?m\b)?
    (?:\ ?\(?(?P<zone>[A-Z][A-Za-z_]+(?:/[A-Za-z_+-]+){{1,2}}|UTC|GMT)\)?)?
    """,
    re.IGNORECASE | re.VERBOSE,
)


def says_used_up(words: str) -> bool:
    """Return whether the words say that a quota is used up.

    A short rate limit is not meant by that, nor the limit of one request, such as its context, or of the machine,
    such as its disk.
    """
    return _USED_UP.search(_OTHER_LIMIT.sub("", words[:READ_CHARS])) is not None


def used_up(message: str, words: str, *, account: str, now: datetime | None = None) -> QuotaUsedUp | None:
    """Return the error for a failure with these words; None if they do not say that a quota is used up.

    A rate limit counts if its end is named and too far away to wait for it within the call.
    """
    now = now or datetime.now(UTC)
    resets_at = reset_time(words, now=now)
    is_long = resets_at is not None and resets_at - now > LONGEST_WAIT_IN_CALL
    if says_used_up(words) or (is_long and _RATE_LIMITED.search(words[:READ_CHARS])):
        return QuotaUsedUp(message, account=account, resets_at=resets_at)
    return None


def reset_time(words: str, *, now: datetime | None = None, local: tzinfo | None = None) -> datetime | None:
    """Return when the quota resets according to the words; None if they do not say it.

    A time of day without a time zone is one of `local`, this machine's zone by default.
    """
    now = now or datetime.now(UTC)
    words = words[:READ_CHARS]
    try:
        return _of_epoch(words) or _of_length(words, now) or _of_iso(words, local) or _of_clock(words, now, local)
    except (ValueError, OverflowError):  # no such day, or beyond the last year
        return None


def reset_time_of_headers(headers: Mapping[str, str], *, now: datetime | None = None) -> datetime | None:
    """Return when the quota resets according to the headers of an HTTP answer; None if they do not say it.

    `retry-after` is decisive. Otherwise it is the latest `…-reset` of a limit of which nothing remains.
    """
    now = now or datetime.now(UTC)
    lower = {str(name).lower(): str(value).strip() for name, value in headers.items()}
    if (after := lower.get("retry-after-ms")) and (moment := _moment(after, now, unit=0.001)):
        return moment
    if (after := lower.get("retry-after")) and (moment := _moment(after, now)):
        return moment
    resets = [
        moment
        for name, value in lower.items()
        if "ratelimit" in name and "reset" in name and _is_empty(lower.get(name.replace("reset", "remaining")))
        if (moment := _moment(value, now))
    ]
    return max(resets, default=None)


def account_of_key(provider: str, key: str) -> str:
    """Return the account of a key as users see it: the provider, and the last four characters of a long key."""
    return f"{provider}:…{key[-4:]}" if len(key) >= 16 else provider


def _is_empty(remaining: str | None) -> bool:
    """Return whether nothing remains of a limit, or nothing is known of it."""
    try:
        return remaining is None or float(remaining) <= 0
    except ValueError:
        return True


def _moment(value: str, now: datetime, *, unit: float = 1.0) -> datetime | None:
    """Return the time in a header: seconds from now, seconds or milliseconds since 1970, a length or a date."""
    try:
        if re.fullmatch(r"\d{1,15}(\.\d{1,9})?", value):
            number = float(value) * unit
            if number < 1e9:
                return now + timedelta(seconds=number)
            return datetime.fromtimestamp(number / 1000 if number > 1e11 else number, UTC)
        if re.fullmatch(rf"({_TOGETHER}){{1,5}}", value, re.IGNORECASE):
            return now + _length(value)
        is_iso = re.match(r"\d{4}-", value)
        moment = datetime.fromisoformat(value) if is_iso else parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError, TypeError):
        return None


def _of_epoch(words: str) -> datetime | None:
    found = _EPOCH.search(words)
    return datetime.fromtimestamp(int(found[1][:10]), UTC) if found else None


def _of_length(words: str, now: datetime) -> datetime | None:
    found = _LENGTH.search(words)
    return now + _length(found[1]) if found else None


def _length(text: str) -> timedelta:
    """Return the sum of the parts of a length such as "5 hours 12 minutes" or "10h22m7s"."""
    parts = _ONE_PART.findall(text)
    return timedelta(seconds=sum(float(number) * _UNITS[_unit(unit)] for number, unit in parts))


def _unit(unit: str) -> str:
    unit = unit.lower()
    return "ms" if unit == "milli" else unit


def _of_iso(words: str, local: tzinfo | None) -> datetime | None:
    found = _ISO.search(words)
    if not found:
        return None
    moment = datetime.fromisoformat(found[0].upper())
    # Without a zone of its own, `astimezone` takes it as the machine's time.
    return (moment.replace(tzinfo=local) if moment.tzinfo is None and local else moment).astimezone(UTC)


def _of_clock(words: str, now: datetime, local: tzinfo | None) -> datetime | None:
    """Return the next such time of day, on the day that is named, if one is."""
    for found in _CLOCK.finditer(words):
        if not (found["half"] or found["minute"]):  # any number, such as "again 3 times"
            continue
        hour = _hour(found)
        zone = _zone(found["zone"]) or local
        here = (now.astimezone(zone) if zone else now.astimezone()).replace(
            hour=hour, minute=int(found["minute"] or 0), second=0, microsecond=0
        )
        if found["month"]:
            return _on_date(here, found, now).astimezone(UTC)
        days = [here + timedelta(days=ahead) for ahead in range(-1, 9)]
        if found["weekday"]:
            days = [day for day in days if day.weekday() == _DAYS.index(found["weekday"][:3].lower())]
        return next(day for day in days if day > now - JUST_PASSED).astimezone(UTC)
    return None


def _hour(found: re.Match[str]) -> int:
    hour, half = int(found["hour"]), (found["half"] or "").lower()
    return hour % 12 + (12 if half == "p" else 0) if half else hour


def _on_date(here: datetime, found: re.Match[str], now: datetime) -> datetime:
    """Return the time on the named date; without a year, in that which is nearest to now."""
    month, day = _MONTHS.index(found["month"][:3].lower()) + 1, int(found["day"])
    if found["year"]:
        return here.replace(year=int(found["year"]), month=month, day=day)
    years = (here.year - 1, here.year, here.year + 1)
    return min((here.replace(year=year, month=month, day=day) for year in years), key=lambda at: abs(at - now))


def _zone(name: str | None) -> tzinfo | None:
    """Return the named time zone; None for none or an unknown one."""
    if not name:
        return None
    try:
        return UTC if name.upper() in ("UTC", "GMT") else ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
