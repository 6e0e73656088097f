"""Secrets in every known format, and text without any."""

import string

from hypothesis import strategies as st

ALNUM = string.ascii_letters + string.digits
URLSAFE = ALNUM + "_-"
BASE64 = ALNUM + "+/="


def random(alphabet: str, least: int, most: int = 60) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=least, max_size=most)


def shaped(before: str, body: st.SearchStrategy[str], after: str = "") -> st.SearchStrategy[tuple[str, str]]:
    """Return (the text around the secret and the secret, the part of it that must not survive)."""
    return body.map(lambda secret: (f"{before}{secret}{after}", secret))


keys = st.one_of(
    *(shaped(before, random(URLSAFE, 16)) for before in ("sk-", "sk-ant-", "sk-proj-", "glpat-")),
    shaped("AIza", random(URLSAFE, 30)),
    *(shaped(f"gh{kind}_", random(ALNUM, 20)) for kind in "pousr"),
    shaped("github_pat_", random(ALNUM + "_", 20)),
    *(shaped(before, random(ALNUM, 16)) for before in ("sk_live_", "rk_test_", "whsec_")),
    *(shaped(before, random(URLSAFE, 20)) for before in ("gldt-", "glrt-", "GR1348941", "sq0csp-")),
    shaped("mct_", random("abcdef0123456789", 40)),
    shaped("xapp-", random(ALNUM + "-", 10)),
    shaped("AKC", random(ALNUM, 20)),
    st.tuples(random(URLSAFE, 22), random(URLSAFE, 43)).map(lambda parts: (f"SG.{'.'.join(parts)}", parts[1])),
    shaped("xoxb-", random(ALNUM + "-", 10)),
    *(shaped(before, random(string.ascii_uppercase + string.digits, 16, 16)) for before in ("AKIA", "ASIA")),
    *(shaped(f"{before}_", random(URLSAFE, 24)) for before in ("gsk", "hf", "pypi", "npm", "xai", "pplx")),
    st.tuples(random(URLSAFE, 8), random(URLSAFE, 4), random(URLSAFE, 8)).map(
        lambda parts: (f"eyJ{'.'.join(parts)}", parts[2])
    ),
)
mixed = st.tuples(random(ALNUM, 6, 20), st.integers(0, 9)).map(lambda parts: f"{parts[0]}x{parts[1]}")
credentials = st.one_of(
    *(shaped(before, mixed) for before in ("Authorization: Bearer ", "Bearer ", "api_key=", "token: ", "x?key=")),
    *(shaped(before, mixed, "'") for before in ("password='", "secret = '", "PASSWD:'")),
    shaped('{"Authorization": "Basic ', random(BASE64, 8), '"}'),
    shaped('"apiKey": "', mixed, '"'),
    shaped("machine h login me password ", random(ALNUM, 8)),
    shaped("Cookie: sessionid=", random(ALNUM, 12)),
    shaped("https://hooks.slack.com/services/", random(ALNUM + "/", 20)),
    shaped("https://discord.com/api/webhooks/", random(ALNUM + "/", 20)),
    shaped("AccountName=x;AccountKey=", random(BASE64, 44)),
    *(shaped(before, mixed, "@host/x") for before in ("https://", "postgres://me:", "redis://:")),
)
pgp_keys = random(BASE64, 40, 400).map(
    lambda body: (
        f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 2\n\n{lines(body)}\n-----END PGP PRIVATE KEY BLOCK-----",
        body[:40],
    )
)
private_keys = st.tuples(st.sampled_from(["", "RSA ", "EC ", "OPENSSH "]), random(BASE64, 40, 400)).map(
    lambda parts: (
        f"-----BEGIN {parts[0]}PRIVATE KEY-----\n{lines(parts[1])}\n-----END {parts[0]}PRIVATE KEY-----",
        parts[1][:40],
    )
)
secrets = keys | credentials | private_keys | pgp_keys


def lines(text: str) -> str:
    return "\n".join(text[start : start + 64] for start in range(0, len(text), 64))


# No character of these starts, joins or ends a secret: no `=`, `:`, `@`, `_`, `-`, and none of the names.
WORDS = [
    "the",
    "a",
    "risk",
    "skies",
    "bearing",
    "authors",
    "Asia",
    "fox",
    "3/4",
    "(x)",
    "\n",
    "…",
    "ünï",
    "\u202e",
]
filler = random("abcdfgh. ,!?\n\t\x00😀", 0, 12)
ordinary = st.lists(st.sampled_from(WORDS) | filler, max_size=12).map(" ".join)
# Ordinary text that resembles the beginning of a secret.
ALMOST = [
    "key", "the key: patience.", "token", "password", "Password: required.", "sk-", "sk-learn", "AKIA", "eyJ",
    "://", "https://host/path?next=/a", "http://localhost:8000 ", "bearer of news", "Authorization is needed",
    "npm-run", "-----BEGIN ", "-----BEGIN CERTIFICATE-----\nMII", "hf_", "xoxb", "monkey = 3", "key=itemgetter(1)",
    "secret", "s", "ke",
]  # fmt: skip
almost = st.lists(st.sampled_from(ALMOST) | ordinary, max_size=10).map(" ".join)
