import time
from typing import Any

import pytest

from agents import redaction
from agents.redaction import redact, redact_secrets, shown_error

KEY = "abcdefghij0123456789ABCDEFGHIJ012345"

SECRETS = [
    (f"sk-{KEY} is wrong", "[redacted] is wrong"),
    (f"sk-ant-api03-{KEY}", "[redacted]"),
    (f"sk-proj-{KEY}_{KEY}", "[redacted]"),
    (f"'AIza{KEY}'", "'[redacted]'"),
    (f"ghp_{KEY}", "[redacted]"),
    (f"github_pat_{KEY}", "[redacted]"),
    ("xoxb-1234567890-abcdef", "[redacted]"),
    ("AKIAIOSFODNN7EXAMPLE", "[redacted]"),
    (f"gsk_{KEY}", "[redacted]"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "[redacted]"),
    ("Authorization: Bearer abc123def456", "Authorization: Bearer [redacted]"),
    ("Bearer abc123def456", "Bearer [redacted]"),
    ('{"Authorization": "Basic dXNlcjpwYXNzd29yZA=="}', '{"Authorization": "Basic [redacted]"}'),
    ("api_key=abcdefgh", "api_key=[redacted]"),
    ('"apiKey": "zzzzzzzz"', '"apiKey": "[redacted]"'),
    ("X-API-Key: abc123def", "X-API-Key: [redacted]"),
    ("key=abc123def", "key=[redacted]"),
    ("token: abc123def", "token: [redacted]"),
    ("password=hunter2", "password=[redacted]"),
    ("PASSWORD='correct-horse'", "PASSWORD='[redacted]'"),
    ("password=ab12(cd2", "password=[redacted]"),
    ("client_secret = s3cret-value", "client_secret = [redacted]"),
    ("https://h/x?key=abcd&n=1", "https://h/x?key=[redacted]&n=1"),
    ("wss://h/ws?token=deadbeef", "wss://h/ws?token=[redacted]"),
    ("postgres://me:pw@db:5432/x", "postgres://[redacted]@db:5432/x"),
    ("https://token@github.com/a/b", "https://[redacted]@github.com/a/b"),
    (f"sk_live_{KEY[:24]}", "[redacted]"),
    (f"rk_live_{KEY[:24]}", "[redacted]"),
    ("xapp-1-A0123-4567-abcdef", "[redacted]"),
    (f"https://hooks.slack.com/services/T01/B02/{KEY[:24]}", "https://hooks.slack.com/services/[redacted]"),
    (f"https://discord.com/api/webhooks/123/{KEY}", "https://discord.com/api/webhooks/[redacted]"),
    (f"https://discord.com/api/v10/webhooks/123/{KEY}", "https://discord.com/api/v10/webhooks/[redacted]"),
    *(
        (f"{prefix}{KEY}", "[redacted]")
        for prefix in ("nvapi-", "tvly-", "lin_api_", "dckr_pat_", "ya29.", "hvs.")
    ),
    *((f"{prefix}{'0a' * 16}", "[redacted]") for prefix in ("dop_v1_", "shpat_")),
    (f"AGE-SECRET-KEY-1{'Q' * 58}", "[redacted]"),
    ("machine h login me account it password hunter2", "machine h login me account it password [redacted]"),
    *(
        (f"sk-{KEY[:10]}{unseen}{KEY[10:]}", "[redacted]")
        for unseen in "\u200e\u202e\u2063\u180e\u034f\u3164\ufe0f\U000e0041\U000e0100"
    ),
    ("machine h login me password hunter2", "machine h login me password [redacted]"),
    ("machine h\n  login me\n  password hunter2\n", "machine h\n  login me\n  password [redacted]\n"),
    ("Cookie: sessionid=abc123; csrftoken=def456", "Cookie: [redacted]"),
    ("Cookie: a=1; password='hunter2'; b=2 x", "Cookie: [redacted] x"),
    ('{"Cookie": "a=b; c=d", "n": "x"}', '{"Cookie": "[redacted]", "n": "x"}'),
    ("Cookie: sid=abc  password='hunter2'", "Cookie: [redacted]  password='[redacted]'"),
    ("Set-Cookie: sessionid=abc123; Path=/", "Set-Cookie: [redacted]"),
    (f"mct_{'0a' * 30}", "[redacted]"),
    (f"sk-{KEY[:10]}\u200b{KEY[10:]}", "[redacted]"),
    (f"s\u200dk-\u2060{KEY}", "[redacted]"),
    ("pass\u00adword=hunter2", "password=[redacted]"),
    (
        f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 2\n\n{KEY}\n=a\n-----END PGP PRIVATE KEY BLOCK-----\nx",
        "[redacted]\nx",
    ),
    (
        f"-----BEGIN EC PRIVATE KEY-----\nDEK-Info: X,0\n\n{KEY}\n-----END EC PRIVATE KEY-----\nx",
        "[redacted]\nx",
    ),
    (f"Private-Lines: 1\n{KEY}\nPrivate-MAC: 00", "Private-Lines: [redacted]-MAC: 00"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY-----\nend", "[redacted]\nend"),
]

PATHS = [
    ("cannot open /etc/passwd", "cannot open [path]"),
    ("/tmp is full", "[path] is full"),
    ("see /usr/lib/python3.11/x.py.", "see [path]."),
    ('File "/home/me/a b/x.py", line 3', 'File "[path]", line 3'),
    ("(/opt/app/main.py:12)", "([path]:12)"),
    ("PATH=/usr/bin:/usr/local/bin", "PATH=[path]:[path]"),
    ("C:\\Users\\me\\x.txt is gone", "[path] is gone"),
    ("D:/data/x.txt", "[path]"),
    ("\\\\server\\share\\x", "[path]"),
    ("file:///etc/passwd", "[path]"),
    ("sqlite:////var/lib/x.sqlite3", "sqlite://[path]"),
]

ORDINARY = [
    "3/4 of it, 1/2 and 12/31/2026 or 2026/11/24, and/or TCP/IP",
    "https://host/path/a?next=/a/b#c and http://[::1]:8000/v1/models",
    "GET /healthz, POST /api/mission-control/tasks and /v1/chat/completions",
    "The key: patience. A token of thanks. Bearer of bad news. Password: required.",
    "sorted(rows, key=itemgetter(1), reverse=True); key=lambda row: row.id",
    "connect(password=password, token=settings.TOKEN, api_key=os.environ['X'])",
    "Unexpected token: found instead of value",
    "A login form: login and password fields; cookie = biscuit, cookie: none; risk_live_x; password is needed",
    "یک نیم\u200cفاصله, 👨\u200d👩\u200d👧, co\u200boperate".replace("\u200bo", "o"),
    "1\ufe0f\u20e3 first, C++\u200f \u05e9, ABC\u200e",
    "</div> // comment  s/foo/bar/ ~/notes  a//b",
    "risk-assessment-of-everything-we-do, task-12, disk-usage",
    "at 12:30, ratio 16:9, see chapter 3: /",
]


@pytest.fixture(autouse=True)
def known_environment(monkeypatch):
    monkeypatch.setattr("os.environ", {"PATH": "/usr/bin"})


@pytest.mark.parametrize(("text", "expected"), SECRETS)
def test_what_looks_like_a_secret_is_removed(text, expected):
    assert redact(text) == redact_secrets(text) == expected


@pytest.mark.parametrize(("text", "expected"), PATHS)
def test_absolute_paths_are_removed(text, expected):
    assert redact(text) == expected
    assert redact_secrets(text) == text


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays_as_it_is(text):
    assert redact(text) == text


def test_redacting_twice_changes_nothing_more():
    for text, expected in SECRETS + PATHS:
        assert redact(expected) == expected, text


@pytest.mark.parametrize("name", ["MY_API_KEY", "GITHUB_TOKEN", "CLIENT_SECRET", "PGPASSWORD", "db_password"])
def test_values_of_variables_with_a_secrets_name_are_removed(monkeypatch, name):
    monkeypatch.setitem(__import__("os").environ, name, "plain words")
    assert redact("he said plain words, twice: plain words") == "he said [redacted], twice: [redacted]"


def test_short_values_and_other_variables_stay(monkeypatch):
    environ = __import__("os").environ
    monkeypatch.setitem(environ, "MY_API_KEY", "short")
    monkeypatch.setitem(environ, "GREETING", "good morning")
    assert redact("short: good morning") == "short: good morning"


def test_the_password_inside_an_address_of_the_environment_is_removed(monkeypatch):
    monkeypatch.setitem(__import__("os").environ, "DATABASE_URL", "postgres://me:correcthorse@db/x")
    assert redact("password authentication failed: correcthorse") == "password authentication failed: [redacted]"


def test_paths_below_a_kept_folder_stay_and_no_others():
    text = "wrote /srv/work/a.txt, /srv/work/../b.txt, /srv/workshop/c.txt and '/srv/work'"
    assert redact(text, keep_dirs=["/srv/work/"]) == "wrote /srv/work/a.txt, [path], [path] and '/srv/work'"


def test_a_shown_error_is_one_line_of_at_most_200_characters():
    assert shown_error("  no\n\tway\x00\x1b[31m out \n") == "no way out"
    assert shown_error("x" * 200) == "x" * 200
    assert shown_error("x" * 201) == "x" * 200 + "..."
    assert shown_error("open /etc/passwd: password=hunter2") == "open [path]: password=[redacted]"


# The beginnings of the patterns, repeated without ever completing one.
HOSTILE = ["a", "/", "/a", " /a", '"/a/', "'C:/a", "C:\\", "\\", "\\\\a\\", "file:///", "a.b.", "://", "://a@"]
HOSTILE += ["eyJ", "eyJaaaaaaaa.", "eyJaaaaaaaa-", "sk-", "github_pat_", "-----BEGIN PRIVATE KEY-----", " ", "\n"]
HOSTILE += ["key=", "key=a1(", "token=abc(", "key:'", "password :  ", "api_", "Bearer ", "bearer a"]
HOSTILE += ["authorization: a ", "The quick brown fox/jumps 3/4 over https://host/x and /a/b. "]


@pytest.mark.parametrize("unit", HOSTILE)
def test_time_grows_with_the_length_of_the_text_and_no_faster(unit):
    def cost(chars: int) -> float:
        text = unit * (chars // len(unit))
        best = []
        for _ in range(2):
            start = time.process_time()
            shown_error(text)
            best.append(time.process_time() - start)
        return min(best)

    assert cost(240_000) < 12 * cost(40_000) + 0.01  # 6 times the text; a quadratic pattern would need 36 times


# ---------------------------------------------------------------- formats known to detect-secrets
EXAMPLES = {
    "AWSKeyDetector": "AKIAIOSFODNN7EXAMPLE",
    "ArtifactoryDetector": f"AKC{KEY}",
    "AzureStorageKeyDetector": f"AccountKey={KEY * 3}"[:99],
    "BasicAuthDetector": "https://me:hunter2@example.org/",
    "GitHubTokenDetector": f"ghp_{KEY}",
    "GitLabTokenDetector": f"glpat-{KEY[:20]}",
    "JwtTokenDetector": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "NpmDetector": f"//registry.npmjs.org/:_authToken=npm_{KEY}",
    "OpenAIDetector": f"sk-{KEY[:20]}T3BlbkFJ{KEY[:20]}",
    "PrivateKeyDetector": f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n{KEY}",
    "PypiTokenDetector": f"pypi-AgEIcHlwaS5vcmc{KEY * 2}",
    "SendGridDetector": f"SG.{KEY[:22]}.{(KEY * 2)[:43]}",
    "SlackDetector": "xoxb-1234567890-abcdef",
    "SquareOAuthDetector": f"sq0csp-{(KEY * 2)[:43]}",
    "StripeDetector": f"sk_live_{KEY[:24]}",
}
# Those need entropy or a variable's name (so do we, for the name), or the key has no prefix of its own.
LEFT_OUT = {
    "Base64HighEntropyString", "HexHighEntropyString", "KeywordDetector", "IPPublicDetector", "CloudantDetector",
    "DiscordBotTokenDetector", "IbmCloudIamDetector", "IbmCosHmacDetector", "MailchimpDetector",
    "SoftlayerDetector", "TelegramBotTokenDetector", "TwilioKeyDetector",
}  # fmt: skip


def test_what_detect_secrets_finds_by_its_form_is_taken_out():
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    known: dict[str, Any] = get_mapping_from_secret_type_to_class()
    plugins = {plugin.__name__: plugin for plugin in known.values()}
    assert plugins.keys() == EXAMPLES.keys() | LEFT_OUT, "another version knows other secrets: see what they are"
    for name, example in EXAMPLES.items():
        [secret, *_] = plugins[name]().analyze_string(example)
        assert secret and redact_secrets(example) != example
        assert secret not in redact_secrets(example) or name == "PrivateKeyDetector"


def test_what_the_product_remembers_as_its_own_is_taken_out(monkeypatch):
    monkeypatch.setattr(redaction, "_remembered", set())
    redaction.remember_secrets("correct-horse-battery", "short")
    assert redact_secrets("It is correct-horse-battery, in short") == "It is [redacted], in short"


def test_the_products_secret_key_and_token_are_known_to_it(settings):
    assert settings.SECRET_KEY in redaction.known_secrets()
