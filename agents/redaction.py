"""Remove what must not leave the process: keys, credentials, paths of this machine.

Every pattern takes linear time: it starts at a literal, repeats one class of characters, never backtracks, and
bounds every long repetition.
"""

import os
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

REMOVED = "[redacted]"
PATH = "[path]"
MAX_DEPTH = 100
TOO_DEEP = "[nested too deeply]"
SHOWN_CHARS = 200
MIN_SECRET_CHARS = 8  # a shorter value of an environment variable is more likely an ordinary word

_SECRET_VARIABLE = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)\Z", re.IGNORECASE)
_ADDRESS_VARIABLE = re.compile(r"(?:URL|URI|DSN)\Z", re.IGNORECASE)

# Header lines before the key itself, of PGP and of an encrypted key.
KEY_HEADERS = r"(?:\s*+(?:Version|Comment|Hash|Charset|Proc-Type|DEK-Info): [^\n]{0,200})*+"
KEY_END = r"-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
_PRIVATE_KEY = re.compile(
    rf"(?:-----BEGIN [A-Z0-9 ]{{0,30}}PRIVATE KEY(?: BLOCK)?-----|(?<=Private-Lines: )[0-9]{{1,3}}\s)"
    rf"{KEY_HEADERS}[A-Za-z0-9+/=\s\\]*(?:{KEY_END})?"
)
_KNOWN_KEY = re.compile(
    r"""(?<![A-Za-z0-9])(?:
        sk-[A-Za-z0-9_-]{16,}                         # OpenAI, Anthropic, OpenRouter
      | [rs]k_(?:live|test)_[A-Za-z0-9]{16,} | whsec_[A-Za-z0-9+/=]{16,}   # Stripe
      | mct_[a-f0-9]{32,}                             # our own access tokens
      | AIza[A-Za-z0-9_-]{30,}                        # Google
      | gh[pousr]_[A-Za-z0-9]{20,} | github_pat_[A-Za-z0-9_]{20,}
      | (?:glpat|gldt|glft|glsoat|glrt|glcbt|glimt|glptt|glagent|gloas)-[A-Za-z0-9_-]{16,}
      | GR1348941[A-Za-z0-9_-]{16,}                   # GitLab too
      | xox[a-z]-[A-Za-z0-9-]{10,} | xapp-[A-Za-z0-9-]{10,}                # Slack
      | SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}    # SendGrid
      | sq0[a-z]{3}-[A-Za-z0-9_-]{20,} | AKC[a-zA-Z0-9]{20,}               # Square, Artifactory
      | A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])            # AWS
      | (?:gsk|hf|pypi|npm|xai|pplx)[_-][A-Za-z0-9_-]{24,}
      | (?:nvapi|tvly)-[A-Za-z0-9_-]{24,} | (?:lin_api|dckr_pat|figd|ntn)_[A-Za-z0-9_-]{24,}
      | ya29\.[A-Za-z0-9_-]{20,} | hv[bsr]\.[A-Za-z0-9_-]{24,}            # Google's logins, Vault
      | do[opr]_v1_[a-f0-9]{32,} | shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}      # DigitalOcean, Shopify
      | AGE-SECRET-KEY-1[A-Z0-9]{40,}
      | (?<![_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*   # JSON Web Token
    )""",
    re.VERBOSE,
)
_KEY_MARKERS = (
    *(
        "sk-",
        "aiza",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
        "k_live_",
        "k_test_",
        "whsec_",
        "mct_",
        *(f"{name}-" for name in ("glpat", "gldt", "glft", "glsoat", "glrt", "glcbt", "glimt", "glptt")),
        "glagent-",
        "gloas-",
        "gr1348941",
        "xox",
        "xapp-",
        "sg.",
        "sq0",
        "akc",
        "akia",
        "asia",
        "eyj",
        *("nvapi-", "tvly-", "lin_api_", "dckr_pat_", "figd_", "ntn_", "ya29.", "hvb.", "hvs.", "hvr."),
        *("_v1_", "shpat_", "shpca_", "shppa_", "shpss_", "age-secret-key-1"),
    ),
    *(f"{name}{mark}" for name in ("gsk", "hf", "pypi", "npm", "xai", "pplx") for mark in "_-"),
)
_AUTHORIZATION = re.compile(
    r"(?P<scheme>(?i:authorization)['\"]?[ \t]{0,4}[:=][ \t]{0,4}['\"]?(?:[A-Za-z]{1,20}[ \t]{1,4})?)"
    r"[^\s'\",;]{6,}"
)
_BEARER = re.compile(
    r"(?P<scheme>\b(?i:bearer)[ \t]{1,4})"
    r"(?:(?=[A-Za-z._~+/=-]{0,100}[0-9])[A-Za-z0-9._~+/=-]{8,}|[A-Za-z0-9._~+/=-]{24,})"
)
# The address itself is the secret: anyone who has it may post there.
_WEBHOOK = re.compile(
    r"(?P<scheme>hooks\.slack\.com/[a-z]{1,20}/|discord(?:app)?\.com/api/(?:v[0-9]{1,2}/)?webhooks/)[A-Za-z0-9_/-]{8,}",
    re.IGNORECASE,
)
# Cookies are separated by `;`. Text after other white space is not a cookie and is not matched with them: a
# password there would lose its name and look harmless to the later patterns.
_ONE_COOKIE = r"""[^\s=;'",]{1,100}=(?:"[^"\r\n]{0,4096}"|'[^'\r\n]{0,4096}'|[^\s;'"]*)"""
_COOKIE = re.compile(
    r"(?P<scheme>(?i:cookie)['\"]?[ \t]{0,4}[:=][ \t]{0,4}['\"]?)"
    rf"{_ONE_COOKIE}(?:;[ \t]{{0,4}}(?:{_ONE_COOKIE}|[^\s;'\"]{{1,100}})?)*+"
)
_GAP = r"[ \t\r\n]{1,8}"
_NETRC = re.compile(
    rf"(?P<scheme>\b(?:machine{_GAP}[^\s]{{1,256}}|default)(?:{_GAP}(?:login|account){_GAP}[^\s]{{1,256}}){{1,2}}"
    rf"{_GAP}password{_GAP})"
    r"[^\s]{1,512}",
    re.IGNORECASE,
)
_ACCOUNT_KEY = re.compile(r"(?P<scheme>AccountKey=)[A-Za-z0-9+/=]{40,}", re.IGNORECASE)
_URL_LOGIN = re.compile(r"(?<=://)[^\s/?#\"'<>]{1,512}@")

# name = value. `key` and `token` are ordinary words, so their values need more evidence than those of "secret".
_ASSIGNMENT = re.compile(
    r"""(?<![/\\])(?P<name>(?:(?:api|access|auth|private|secret|refresh|client|signing)[_-]?)?(?:key|token|secret)
         | passwd | password | passphrase | pwd)
        (?P<between>["']?[ \t]{0,3}[:=][ \t]{0,3})(?P<quote>["']?)(?P<value>[^\s"'`,;(){}\[\]<>&|]{4,})
        (?P<call>(?:[(\[][^\s"'`]*)?)""",
    re.VERBOSE | re.IGNORECASE,
)
_ORDINARY_NAME = re.compile(r"(?:key|token)\Z", re.IGNORECASE)
_DOTTED_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\Z")
_PLAIN_WORD = re.compile(r"[A-Za-z_-]+[.!?]?\Z")

_ROOTS = (
    "bin|boot|data|dev|etc|home|lib|media|mnt|opt|private|proc|root|run|sbin|srv|sys|tmp|usr|var|Users|Volumes"
)
_SEGMENT = r"[^\s/\\\"'`<>|:;,()\[\]{}*?]+"
_ANY_PATH = re.compile(
    rf"""
        (?P<local>(?:\bfile)?:///+)[^\s"'<>]*     # file:///…, sqlite:///…: an address that is a path
      | (?P<url>://(?!/)[^\s"'<>]*)               # any other address stays
      | (?P<quoted>(?<=["'])(?:/(?=[^\s/"'])[^"'\n/]{{1,255}}/|[A-Za-z]:[\\/](?=[^\s"']))[^"'\n]{{0,1000}}(?=["']))
      | (?P<posix>(?<![\w/\\.~%+<\])}}*-])/(?!/)(?!(?:api|v[0-9]+)/)
            (?:{_SEGMENT}(?:/{_SEGMENT})+|(?:{_ROOTS})(?![\w.-]))/?)
      | (?P<windows>\b[A-Za-z]:[\\/](?!/)[^\s"'<>|:*?;,()]+|(?<![\w\\])\\\\[\w.$-]+\\[^\s"'<>|:*?;,()]+)
    """,
    re.VERBOSE,
)
# Zero-width space, non-joiner and joiner, word joiner, byte order mark, soft hyphen.
_NO_WIDTH = r"\u200b-\u200d\u2060\ufeff\u00ad"
# These have a use, such as the direction of writing or an emoji's form, but not between two ASCII characters.
_RARELY_VISIBLE = (
    r"\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200e\u200f\u202a-\u202e\u2061-\u206f\u3164"
    r"\ufe00-\ufe0f\uffa0\U000e0000-\U000e01ef"
)
_INVISIBLE = re.compile(rf"[{_NO_WIDTH}{_RARELY_VISIBLE}]+(?=[!-~])|[{_NO_WIDTH}]+")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0e-\x1f\x7f]")


def redact(text: str, keep_dirs: Iterable[str | os.PathLike[str]] = ()) -> str:
    """Return the text without secrets and without absolute paths, except those below `keep_dirs`."""
    kept = [posixpath.normpath(os.fspath(folder)) for folder in keep_dirs]
    return _ANY_PATH.sub(_path_replacer(kept), redact_secrets(text))


def redact_secrets(text: str, *, known: Iterable[str] | None = None) -> str:
    """Return the text without API keys, tokens, passwords and credentials; paths are kept.

    Invisible characters after an ASCII character are removed: they would split a key into harmless parts.
    `known` are values that are always secret, by default those of the environment.
    """
    text = without_invisible(text)
    for value in known_secrets() if known is None else known:
        text = text.replace(value, REMOVED)
    folded = text.casefold()
    for markers, pattern, replacement in _RULES:
        # Most texts contain no marker, and searching for a few words is a hundred times faster than matching.
        if any(marker in folded for marker in markers):
            text = pattern.sub(replacement, text)
    return text


def without_invisible(text: str, before: str = "") -> str:
    """Return the text without invisible characters after printable ASCII; `before` precedes the text."""
    if text.isascii():
        return text

    def replaced(match: re.Match[str]) -> str:
        at = match.start()
        last = text[at - 1] if at else before
        return "" if "!" <= last <= "~" else match[0]

    return _INVISIBLE.sub(replaced, text)


def redact_data(value: Any, *, depth: int = 0) -> Any:
    """Return JSON data with all texts redacted, and without the values of keys that name a secret.

    Data nested more deeply than MAX_DEPTH is left out.
    """
    if isinstance(value, str):
        return redact_secrets(value)
    if isinstance(value, dict | list | tuple) and depth >= MAX_DEPTH:
        return TOO_DEEP
    if isinstance(value, dict):
        return {redact_data(str(key)): _redact_item(key, item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_data(item, depth=depth + 1) for item in value]
    return value


def _redact_item(name: object, item: Any, depth: int) -> Any:
    if isinstance(name, str) and isinstance(item, str | int | float) and not isinstance(item, bool):
        line = f"{name}={_as_text(item)}"
        named = _ASSIGNMENT.search(line, max(len(name) - 40, 0))
        if named and named.start("value") == len(name) + 1 and _looks_secret(named):
            return REMOVED
    return redact_data(item, depth=depth)


def _as_text(item: str | float) -> str:
    try:
        return str(item)
    except ValueError:  # Python refuses to write an integer of more than 4,300 digits
        return ""


def shown_error(text: str) -> str:
    """Return an error that is safe to show: redacted, on one line, cut to 200 characters and `...`."""
    line = " ".join(_CONTROL.sub("", redact(text)).split())
    return line if len(line) <= SHOWN_CHARS else f"{line[:SHOWN_CHARS]}..."


def known_secrets() -> list[str]:
    """Return the secrets of this process's environment and the remembered ones, longest first."""
    return sorted({*_secrets_of_environment(), *_remembered}, key=len, reverse=True)


_remembered: set[str] = set()


def remember_secrets(*values: str) -> None:
    """Register secrets that are in no environment variable: the product's own keys and passwords."""
    _remembered.update(value for value in values if len(value) >= MIN_SECRET_CHARS)


def _secrets_of_environment() -> Iterator[str]:
    """Yield the values of variables with a secret's name, and the passwords inside addresses."""
    for name in list(os.environ):
        value = os.environ.get(name, "")  # another thread may just have deleted a provider's key
        if _SECRET_VARIABLE.search(name):
            secret = value.strip()
        elif _ADDRESS_VARIABLE.search(name) and "@" in value:
            secret = _password_of(value)
        else:
            continue
        if len(secret) >= MIN_SECRET_CHARS:
            yield secret


def _password_of(address: str) -> str:
    try:
        return urlsplit(address).password or ""
    except ValueError:
        return ""


def _without_value(match: re.Match[str]) -> str:
    if not _looks_secret(match):
        return match[0]
    return f"{match['name']}{match['between']}{match['quote']}{REMOVED}"


def _looks_secret(match: re.Match[str]) -> bool:
    """Return whether a value is a secret rather than prose (`token: the word`) or code (`key=itemgetter(1)`)."""
    name, value = match["name"], match["value"]
    called = match["call"] and value.replace("_", "").isalpha()
    if called or value == name or _DOTTED_NAME.match(value):
        return False
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    if _ORDINARY_NAME.match(name):
        in_query = match.start() > 0 and match.string[match.start() - 1] in "?&"
        return in_query or (mixed and len(value) >= MIN_SECRET_CHARS - 2)
    tight = match["between"] in {"=", ":"} or bool(match["quote"])
    return tight or not _PLAIN_WORD.match(value)


# Markers, of which a text must contain one in lower case for the pattern to match; the pattern; its replacement.
_RULES: tuple[tuple[tuple[str, ...], re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (("private key", "private-lines: "), _PRIVATE_KEY, REMOVED),
    (("hooks.slack.com/", "/webhooks/"), _WEBHOOK, rf"\g<scheme>{REMOVED}"),
    (("cookie",), _COOKIE, rf"\g<scheme>{REMOVED}"),
    (("machine", "default"), _NETRC, rf"\g<scheme>{REMOVED}"),
    (("accountkey=",), _ACCOUNT_KEY, rf"\g<scheme>{REMOVED}"),
    (("://",), _URL_LOGIN, f"{REMOVED}@"),
    (_KEY_MARKERS, _KNOWN_KEY, REMOVED),
    (("authorization",), _AUTHORIZATION, rf"\g<scheme>{REMOVED}"),
    (("bearer",), _BEARER, rf"\g<scheme>{REMOVED}"),
    (("key", "token", "secret", "passw", "passphrase", "pwd"), _ASSIGNMENT, _without_value),
)


def _path_replacer(kept: list[str]) -> Callable[[re.Match[str]], str]:
    def replace(match: re.Match[str]) -> str:
        if match["url"]:
            return match[0]
        if match["local"]:
            return PATH if match["local"].startswith("file") else f"://{PATH}"
        whole = posixpath.normpath(match[0])
        if any(whole == folder or whole.startswith(f"{folder}/") for folder in kept):
            return match[0]
        stop = "." if match["posix"] and match[0].endswith(".") else ""
        return PATH + stop

    return replace
