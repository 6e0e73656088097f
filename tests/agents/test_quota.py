"""Quota texts and headers of providers are understood, whatever they contain."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from agents.backends import quota
from agents.backends.base import BackendError, QuotaUsedUp

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)  # a Monday
EAST = timezone(timedelta(hours=2))


def at(day: int, hour: int, minute: int = 0, second: int = 0, *, month: int = 11, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Claude AI usage limit reached|1796299200", datetime.fromtimestamp(1796299200, UTC)),
        ("You've hit your limit · resets 3pm (Europe/Berlin)", at(30, 14)),
        ("You've hit your session limit · resets 3:45pm (America/New_York)", at(30, 20, 45)),
        ("5-hour limit reached ∙ resets 3pm", at(30, 13)),
        ("5-hour limit reached ∙ resets 1:55pm", at(30, 11, 55)),  # just passed
        ("5-hour limit reached ∙ resets 1pm", at(1, 11, month=12)),
        ("You're out of extra usage · resets 12am (UTC)", at(1, 0, month=12)),
        ("Weekly limit reached ∙ resets Dec 3 at 5am", at(3, 3, month=12)),
        ("Weekly limit reached ∙ resets Jan 2 at 5am", at(2, 3, month=1, year=2027)),
        ("Weekly limit reached ∙ resets Thu 12:00am", at(2, 22, month=12)),
        ("You've hit your usage limit. Upgrade to Pro, or try again in 5 hours 12 minutes.", at(30, 17, 12)),
        ("You've hit your usage limit. Try again in 3 days 4 hours 12 minutes.", at(3, 16, 12, month=12)),
        ("You've hit your usage limit. Try again in 1 day, 2 hours and 3 minutes.", at(1, 14, 3, month=12)),
        ("You've hit your usage limit. Try again at 3:05 PM.", at(30, 13, 5)),
        ("You've hit your usage limit. Try again at Dec 9th, 2026 3:05 PM.", at(9, 13, 5, month=12)),
        (
            "You have exhausted your capacity on this model. Your quota will reset after 10h22m7s.",
            at(30, 22, 22, 7),
        ),
        ('Quota exceeded for quota metric {"retryDelay": "33s"}', at(30, 12, 0, 33)),
        ("You've exceeded your premium request allowance. Please wait 3 hours 5 minutes", at(30, 15, 5)),
        ("Quota exceeded. It resets at 2026-12-01T00:00:00Z", at(1, 0, month=12)),
        ("Quota exceeded. It resets at 2026-12-01 00:00:00", at(30, 22)),
        ("You exceeded your daily token limit. Try again in 2 hours", at(30, 14)),
        ("You've reached your weekly rate limit. Please wait for it to reset on Dec 3 at 5am", at(3, 3, month=12)),
        ("You exceeded your current quota, please check your plan and billing details.", None),
        ("Usage limit reached. Try again in 999999999 days", None),
        ("Usage limit reached. Resets Feb 31 at 25:99 pm", None),
        ("Usage limit reached. Resets 77:88", None),
        ("Weekly limit reached ∙ resets 3pm (Nowhere/At_All)", at(30, 13)),
    ],
)
def test_reset_time_is_read_from_the_words_of_a_provider(words: str, expected: datetime | None) -> None:
    assert quota.says_used_up(words)
    assert quota.reset_time(words, now=NOW, local=EAST) == expected


@pytest.mark.parametrize(
    "words",
    [
        "Rate limit reached for gpt-5. Please try again in 20s.",
        "Please set an Auth method",
        "write failed: Disk quota exceeded",
        "Storage quota exceeded",
        "memory usage limit exceeded",
        "You have exceeded the maximum context length limit",
        "Prompt is too long: exceeded the model token limit",
        "exceeded the output-token limit",
        "reached the maximum turn limit",
        "exceeded the 5-minute time limit",
        "Connection limit reached, connection reset by peer",
        "limitless",
        "",
        "3pm",
    ],
)
def test_other_failures_are_no_used_up_quota(words: str) -> None:
    assert quota.used_up("failed", words, account="a", now=NOW) is None


def test_long_rate_limit_counts_as_a_used_up_quota() -> None:
    error = quota.used_up("failed", "Rate limit reached. Try again in 6m30s.", account="openai:…a1b2", now=NOW)
    assert isinstance(error, QuotaUsedUp) and isinstance(error, BackendError)
    assert (error.account, error.resets_at) == ("openai:…a1b2", NOW + timedelta(minutes=6, seconds=30))


def test_hostile_words_are_read_quickly_and_never_raise() -> None:
    for part in (
        "in 1h1h1h1h",
        "resets Jan 1 ",
        "exceeded your the its ",
        "quota ",
        "limit reached ",
        "1|1999999999",
    ):
        words = part * 100_000
        quota.says_used_up(words)
        quota.reset_time(words, now=NOW)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "3600"}, at(30, 13)),
        ({"retry-after": "Mon, 30 Nov 2026 15:00:00 GMT"}, at(30, 15)),
        ({"retry-after-ms": "90000"}, at(30, 12, 1, 30)),
        ({"x-ratelimit-reset-requests": "6m0s"}, at(30, 12, 6)),
        ({"x-ratelimit-reset": "1796299200"}, datetime.fromtimestamp(1796299200, UTC)),
        ({"X-RateLimit-Reset": "1796299200000"}, datetime.fromtimestamp(1796299200, UTC)),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-11-30T13:00:00Z",
                "anthropic-ratelimit-tokens-remaining": "5000",
                "anthropic-ratelimit-tokens-reset": "2026-11-30T18:00:00Z",
            },
            at(30, 13),
        ),
        ({"x-ratelimit-reset": "soon", "retry-after": "never", "server": "1"}, None),
        ({"retry-after": "9" * 15}, None),
        ({"x-ratelimit-reset": "NaN"}, None),
        ({}, None),
    ],
)
def test_reset_time_is_read_from_headers(headers: dict[str, str], expected: datetime | None) -> None:
    assert quota.reset_time_of_headers(headers, now=NOW) == expected


def test_account_of_a_key_shows_no_more_than_its_last_four_characters() -> None:
    assert quota.account_of_key("openai", "sk-" + "x" * 40 + "a1b2") == "openai:…a1b2"
    assert quota.account_of_key("local", "short") == "local"
