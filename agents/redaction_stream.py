"""Remove secrets from a text that arrives in pieces, including those split across two pieces.

Ordinary text is emitted at once. Only text after the clear start of a secret (`sk-`, `password=`, `://`, the first
characters of a known value) is held back until the next piece shows what it is.
"""

import re
from itertools import takewhile

from agents.redaction import KEY_END, KEY_HEADERS, known_secrets, redact_secrets, without_invisible

MAX_HELD_CHARS = 8_192  # more than a private key; longer text is emitted, redacted as far as it is known
CONTEXT_CHARS = 256  # of emitted text, to recognise the next: after `pass` may come `word=hunter2`
MIN_BEGINNING_CHARS = 3  # of a known value: fewer characters also start ordinary words
LEAD_CHARS = 100  # more than a secret's name and the characters before its value

_UNBROKEN = re.compile(r"[^\s\"']*")
_KEY_CHARS = re.compile(r"[A-Za-z0-9_.-]*")
_KEY_BEGINS = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-|AIza|gh[pousr]_|github_pat_|xox[a-z]-|xapp-|A[KS]IA|AKC|[rs]k_(?:live|test)_|whsec_"
    r"|mct_|SG\.|sq0[a-z]{3}-|GR1348941|(?:glpat|gldt|glft|glsoat|glrt|glcbt|glimt|glptt|glagent|gloas)-"
    r"|(?:gsk|hf|pypi|npm|xai|pplx)[_-]|(?<![_-])eyJ"
    r"|(?:nvapi|tvly)-|(?:lin_api|dckr_pat|figd|ntn)_|ya29\.|hv[bsr]\.|do[opr]_v1_|shp(?:at|ca|pa|ss)_"
    r"|AGE-SECRET-KEY-1)"
)
_VALUE_FOLLOWS = re.compile(
    r"(?:key|token|secret|passwd|password|passphrase|pwd)[\"']?[ \t]{0,3}[:=][ \t]{0,3}[\"']?|\bbearer[ \t]{1,4}"
    r"|\bpassword[ \t\r\n]{1,4}|hooks\.slack\.com/[a-z]{1,20}/|/api/(?:v[0-9]{1,2}/)?webhooks/|AccountKey=",
    re.IGNORECASE,
)
# Cookies may extend to the end of their line.
_COOKIE_FOLLOWS = re.compile(r"cookie['\"]?[ \t]{0,4}[:=][^\r\n]*\Z", re.IGNORECASE)
_LOGIN_FOLLOWS = re.compile(r"authorization['\"]?[ \t]{0,4}[:=][ \t]{0,4}['\"]?", re.IGNORECASE)
_LOGIN = re.compile(r"(?:[A-Za-z]{1,20}[ \t]{0,4})?[^\s'\",;]*")
_URL_LOGIN = re.compile(r"[^\s/?#\"'<>]{0,512}")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9 ]{0,42}-{0,5}|[A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    rf"{KEY_HEADERS}(?:\s*[A-Z][A-Za-z-]{{0,20}}:? ?[^\n]{{0,200}}|[A-Za-z0-9+/=\s\\]*(?:-[A-Z0-9 -]{{0,60}})?))"
)
_PUTTY_KEY = re.compile(r"Private-Lines: [0-9]{0,3}\s?[A-Za-z0-9+/=\s]*")
# The continuation of a secret whose start was emitted as [redacted] because it was too long to be held.
_CONTINUATION = re.compile(r"[A-Za-z0-9._~+/=-]*")
_PRIVATE_KEY_CONTINUATION = re.compile(rf"[A-Za-z0-9+/=\s\\]*(?:{KEY_END})?")


class StreamRedactor:
    """The state between two pieces of a text: the end of the emitted text, and the held text."""

    def __init__(self) -> None:
        self.held = ""
        self._known = known_secrets()
        self._emitted = ""
        self._continuation: re.Pattern[str] | None = None

    def feed(self, piece: str) -> str:
        """Add a piece and return the text that can be emitted now, without secrets."""
        before = self._emitted + self.held
        text = before + without_invisible(self._drop_continuation(piece), before[-1:])
        start = len(self._emitted)
        end = self._unfinished_secret_start(text, start)
        self.held = text[end:]
        emitted = self._emit(text[start:end])
        return emitted + self.flush() if len(self.held) > MAX_HELD_CHARS else emitted

    def flush(self) -> str:
        """Return the held text, redacted, although the text may continue."""
        held, self.held = self.held, ""
        emitted = self._emit(held)
        if emitted != held:
            self._continuation = (
                _PRIVATE_KEY_CONTINUATION if "-----BEGIN" in held[:10] or "\n" in held else _CONTINUATION
            )
        return emitted

    def end(self) -> str:
        """Return the held text, redacted, at the end of the text. The next piece starts another text."""
        emitted = self.flush()
        self._emitted, self._continuation = "", None
        return emitted

    def _drop_continuation(self, piece: str) -> str:
        """Remove from the piece the continuation of a secret that was emitted as [redacted]."""
        rest = self._continuation.match(piece) if self._continuation else None
        if rest is None:
            return piece
        if rest.end() < len(piece):
            self._continuation = None
        return piece[rest.end() :]

    def _emit(self, new: str) -> str:
        """Return the new text, redacted in the context of the emitted text before it."""
        if not new:
            return ""
        joined = redact_secrets(self._emitted + new, known=self._known)
        # If a secret started in the emitted text, only its rest can be removed.
        common = sum(
            1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self._emitted, joined, strict=False))
        )
        emitted = joined[common:]
        context = (self._emitted + emitted)[-CONTEXT_CHARS:]
        # The context is cut at an arbitrary position, and may look like a secret itself.
        self._emitted = context if redact_secrets(context, known=self._known) == context else ""
        return emitted

    def _unfinished_secret_start(self, text: str, start: int) -> int:
        """Return the position, from `start`, of a secret that may continue beyond the text.

        Else the text's end.
        """
        size = len(text)
        backwards = text[: -MAX_HELD_CHARS - CONTEXT_CHARS : -1]
        unbroken = size - _length(_UNBROKEN, backwards)
        key_chars = size - _length(_KEY_CHARS, backwards)
        begins = [
            size,
            _value_from(text, unbroken),
            _url_login_from(text, unbroken),
            _private_key_from(text),
            _cookie_from(text),
            *(_known_from(text, value) for value in self._known),
        ]
        if key := _KEY_BEGINS.search(text, key_chars):
            begins.append(key.start())
        return max(_login_from(text, unbroken, min(begins)), start)


def _length(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.match(text)
    return found.end() if found else 0


def _value_from(text: str, unbroken: int) -> int:
    leads = (lead.end() for lead in _VALUE_FOLLOWS.finditer(text, max(unbroken - LEAD_CHARS, 0)))
    return next((end for end in leads if end >= unbroken), len(text))


def _login_from(text: str, unbroken: int, end: int) -> int:
    """Return where an `Authorization` value starts that `end` cuts: `Bearer` alone would look like one."""
    leads = [lead.end() for lead in _LOGIN_FOLLOWS.finditer(text, max(unbroken - LEAD_CHARS, 0), end)]
    return leads[-1] if leads and _LOGIN.fullmatch(text, leads[-1], end) else end


def _url_login_from(text: str, unbroken: int) -> int:
    found = text.rfind("://", unbroken)
    return found + 3 if found >= 0 and _URL_LOGIN.fullmatch(text, found + 3) else len(text)


def _private_key_from(text: str) -> int:
    if (found := text.rfind("-----BEGIN ")) >= 0 and _PRIVATE_KEY.fullmatch(text, found):
        return found
    found = text.rfind("Private-Lines: ")  # PuTTY's; the redaction keeps these words
    return found + 15 if found >= 0 and _PUTTY_KEY.fullmatch(text, found) else len(text)


def _cookie_from(text: str) -> int:
    at = text.lower().rfind("cookie", max(len(text) - MAX_HELD_CHARS, 0))
    found = _COOKIE_FOLLOWS.match(text, at) if at >= 0 else None
    return found.start() if found else len(text)


def _known_from(text: str, value: str) -> int:
    """Return where the end of the text matches the start of the value; else the text's end."""
    beginning = value[:MIN_BEGINNING_CHARS]
    found = text.find(beginning, max(len(text) - len(value) + 1, 0))
    while found >= 0 and not value.startswith(text[found:]):
        found = text.find(beginning, found + 1)
    return found if found >= 0 else len(text)
