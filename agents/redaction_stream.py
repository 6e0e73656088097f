"""Take the secrets out of a text that comes in pieces, those included that two pieces share.

Ordinary text passes at once. Only what follows the unmistakable beginning of a secret (`sk-`, `password=`, `://`,
the first characters of a known value) is held up to the end of the piece, until the next one shows what it is.
"""

import re
from itertools import takewhile

from agents.redaction import KEY_END, KEY_HEADERS, known_secrets, redact_secrets, without_unseen

MOST_HELD_CHARS = 8_192  # more than a private key has; what is longer still passes, redacted as far as it is known
CONTEXT_CHARS = 256  # kept of what has passed: `pass` is no secret, and what follows it may be `word=hunter2`
LEAST_BEGINNING_CHARS = 3  # of a known value: shorter ones begin ordinary words too
LEAD_CHARS = 100  # more than there can be of a name and what stands between it and its value

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
# Cookies may go on to the end of their line.
_COOKIE_FOLLOWS = re.compile(r"cookie['\"]?[ \t]{0,4}[:=][^\r\n]*\Z", re.IGNORECASE)
_LOGIN_FOLLOWS = re.compile(r"authorization['\"]?[ \t]{0,4}[:=][ \t]{0,4}['\"]?", re.IGNORECASE)
_LOGIN = re.compile(r"(?:[A-Za-z]{1,20}[ \t]{0,4})?[^\s'\",;]*")
_URL_LOGIN = re.compile(r"[^\s/?#\"'<>]{0,512}")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9 ]{0,42}-{0,5}|[A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    rf"{KEY_HEADERS}(?:\s*[A-Z][A-Za-z-]{{0,20}}:? ?[^\n]{{0,200}}|[A-Za-z0-9+/=\s\\]*(?:-[A-Z0-9 -]{{0,60}})?))"
)
_PUTTY_KEY = re.compile(r"Private-Lines: [0-9]{0,3}\s?[A-Za-z0-9+/=\s]*")
# How a secret goes on whose beginning was let through as [redacted], because it would not end.
_GOES_ON = re.compile(r"[A-Za-z0-9._~+/=-]*")
_PRIVATE_KEY_GOES_ON = re.compile(rf"[A-Za-z0-9+/=\s\\]*(?:{KEY_END})?")


class StreamRedactor:
    """The state between two pieces of one text: the end of what has passed, and what is held."""

    def __init__(self) -> None:
        self.held = ""
        self._known = known_secrets()
        self._passed = ""
        self._goes_on: re.Pattern[str] | None = None

    def feed(self, piece: str) -> str:
        """Return what may pass now, without its secrets."""
        before = self._passed + self.held
        text = before + without_unseen(self._without_rest(piece), before[-1:])
        start = len(self._passed)
        end = self._open_from(text, start)
        self.held = text[end:]
        passed = self._pass(text[start:end])
        return passed + self.hurry() if len(self.held) > MOST_HELD_CHARS else passed

    def hurry(self) -> str:
        """Return what is held, redacted, though the text may go on: it has waited long enough."""
        held, self.held = self.held, ""
        passed = self._pass(held)
        if passed != held:
            self._goes_on = _PRIVATE_KEY_GOES_ON if "-----BEGIN" in held[:10] or "\n" in held else _GOES_ON
        return passed

    def end(self) -> str:
        """Return what is held, redacted: the text ends here. What comes next is another."""
        passed = self.hurry()
        self._passed, self._goes_on = "", None
        return passed

    def _without_rest(self, piece: str) -> str:
        """Drop from the piece what still belongs to a secret that has passed as [redacted]."""
        rest = self._goes_on.match(piece) if self._goes_on else None
        if rest is None:
            return piece
        if rest.end() < len(piece):
            self._goes_on = None
        return piece[rest.end() :]

    def _pass(self, new: str) -> str:
        """Return the new text, redacted as what follows the text that has passed."""
        if not new:
            return ""
        joined = redact_secrets(self._passed + new, known=self._known)
        # Where a secret began in what has passed, only its rest can be taken out.
        common = sum(
            1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self._passed, joined, strict=False))
        )
        passed = joined[common:]
        context = (self._passed + passed)[-CONTEXT_CHARS:]
        # Cut anywhere, it may look like a secret of its own.
        self._passed = context if redact_secrets(context, known=self._known) == context else ""
        return passed

    def _open_from(self, text: str, start: int) -> int:
        """Return where a secret begins, from `start` on, that may go on beyond the text; else the text's end."""
        size = len(text)
        backwards = text[: -MOST_HELD_CHARS - CONTEXT_CHARS : -1]
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
    """Return where the login of an Authorization begins that `end` would cut: `Bearer` alone would pass for it."""
    leads = [lead.end() for lead in _LOGIN_FOLLOWS.finditer(text, max(unbroken - LEAD_CHARS, 0), end)]
    return leads[-1] if leads and _LOGIN.fullmatch(text, leads[-1], end) else end


def _url_login_from(text: str, unbroken: int) -> int:
    found = text.rfind("://", unbroken)
    return found + 3 if found >= 0 and _URL_LOGIN.fullmatch(text, found + 3) else len(text)


def _private_key_from(text: str) -> int:
    if (found := text.rfind("-----BEGIN ")) >= 0 and _PRIVATE_KEY.fullmatch(text, found):
        return found
    found = text.rfind("Private-Lines: ")  # PuTTY's; the redaction leaves these words
    return found + 15 if found >= 0 and _PUTTY_KEY.fullmatch(text, found) else len(text)


def _cookie_from(text: str) -> int:
    at = text.lower().rfind("cookie", max(len(text) - MOST_HELD_CHARS, 0))
    found = _COOKIE_FOLLOWS.match(text, at) if at >= 0 else None
    return found.start() if found else len(text)


def _known_from(text: str, value: str) -> int:
    """Return where the text's end is the beginning of the value."""
    beginning = value[:LEAST_BEGINNING_CHARS]
    found = text.find(beginning, max(len(text) - len(value) + 1, 0))
    while found >= 0 and not value.startswith(text[found:]):
        found = text.find(beginning, found + 1)
    return found if found >= 0 else len(text)
