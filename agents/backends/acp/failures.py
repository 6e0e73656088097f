"""The errors of an agent of the Agent Client Protocol, as users see them."""

import re

from agents.backends.base import BackendError, TransientError
from agents.backends.programs.allowed import Definition
from agents.backends.programs.failures import not_logged_in, with_reason
from agents.backends.quota import used_up

LOGIN_MISSING = -32_000  # the protocol's "authentication required"
_LOGIN = re.compile(r"authentication required|not (?:logged|signed) in|login required", re.IGNORECASE)
_REFUSED = re.compile(
    r"\b40[13]\b|unauthorized|invalid api key|incorrect api key|api key not valid", re.IGNORECASE
)
_BUSY = re.compile(
    r"\b(?:429|500|502|503|504|529)\b|rate.?limit|too many requests|overloaded|unavailable|fetch failed"
    r"|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTFOUND|socket hang up|network error",
    re.IGNORECASE,
)
MOST_RETRIES = 1  # the agent has tried again itself


def is_login_missing(code: object, words: str) -> bool:
    """Return whether an error says that the agent is not logged in."""
    return code == LOGIN_MISSING or _LOGIN.search(words[:2_000]) is not None


def failure_of(definition: Definition, code: object, words: str, last_words: str, *, account: str) -> BackendError:
    """Return the error for the answer to a request: its message, and of which kind it is."""
    name, login = definition.name, definition.login
    if is_login_missing(code, words):
        advice = login.advice if login else f"Log in on the machine of the worker: {words}"
        return BackendError(with_reason(f"`{name}` is not logged in. {advice}", ""))
    if advice := not_logged_in(name, login, f"{words} {last_words}"):
        return BackendError(advice)
    message = with_reason(f"`{name}` failed", words or last_words)
    reason = f"{code} {words}"[:10_000]
    if quota := used_up(message, reason, account=account):
        return quota
    if _REFUSED.search(reason):
        return BackendError(f"{message}. {login.advice}" if login else message)
    return TransientError(message, most_retries=MOST_RETRIES) if _BUSY.search(reason) else BackendError(message)
