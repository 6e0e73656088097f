"""Error messages for a program that failed."""

import re

from agents.backends.programs.presets import LoginCheck
from agents.redaction import SHOWN_CHARS, redact, shown_error

# Messages about a missing login. They ask to type a command, which is impossible here.
_NOT_LOGGED_IN = re.compile(
    r"Please set an Auth method|No authentication information found|Please run /login|No auth type is selected"
)


def not_logged_in(name: str, login: LoginCheck | None, words: str) -> str:
    """Return advice if the program failed because it is not logged in; empty for any other reason."""
    return f"`{name}` is not logged in. {login.advice}" if login and _NOT_LOGGED_IN.search(words) else ""


def with_reason(what: str, reason: str) -> str:
    """Return an error with its reason, safe to show; of a long reason only the end, which says most."""
    reason = " ".join(redact(reason).split())
    room = SHOWN_CHARS - len(what) - len(": …")
    if not reason:
        return shown_error(what)
    return shown_error(f"{what}: {reason if len(reason) <= room else f'…{reason[-room:]}'}")


def failure_text(name: str, exit_status: int | None, failure: str, words: str) -> str:
    """Return the message of a program's failure, safe to show: its own, or else its exit status and last words."""
    if failure:
        return shown_error(f"`{name}` failed: {failure}")
    if exit_status:
        return with_reason(f"`{name}` ended with exit status {exit_status}", words)
    return with_reason(f"`{name}` ended before sending a result", words)
