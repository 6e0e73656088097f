"""The words for a program that failed."""

import re

from agents.backends.programs.presets import Login
from agents.redaction import SHOWN_CHARS, redact, shown_error

# What programs say of a missing login: where to type a command of theirs, which nobody can do here.
_NOT_LOGGED_IN = re.compile(r"Please set an Auth method|No authentication information found|Please run /login")


def not_logged_in(name: str, login: Login | None, words: str) -> str:
    """Return what to do when the program failed for want of a login, empty when that was not the reason."""
    return f"`{name}` is not logged in. {login.advice}" if login and _NOT_LOGGED_IN.search(words) else ""


def with_reason(what: str, reason: str) -> str:
    """Return what happened and why, as anyone may see it; of a long reason the end, which says most."""
    reason = " ".join(redact(reason).split())
    room = SHOWN_CHARS - len(what) - len(": …")
    if not reason:
        return shown_error(what)
    return shown_error(f"{what}: {reason if len(reason) <= room else f'…{reason[-room:]}'}")
