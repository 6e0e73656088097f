"""How log lines are formatted, filtered and kept."""

from pathlib import Path
from typing import Any

# Django's loggers below "django.security" for refused requests, which anyone can send.
REFUSED_BY_DJANGO = [
    *["csrf", "SuspiciousOperation", "DisallowedHost", "DisallowedRedirect", "RequestDataTooBig"],
    *["TooManyFieldsSent", "TooManyFilesSent", "SuspiciousFileOperation", "SuspiciousMultipartForm"],
    *["SuspiciousSession", "InvalidSessionKey", "DisallowedModelAdminLookup", "DisallowedModelAdminToField"],
]


def logging_settings(folder: Path, level: str) -> dict[str, Any]:
    """Return Django's LOGGING: to the console, and to a file in the folder."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "run": {"()": "mission_control.logs.RunIdFilter"},
            "unexpected": {"()": "mission_control.logs.UnexpectedErrors"},
            "outage": {"()": "mission_control.logs.OutageFilter"},
            "seldom": {"()": "mission_control.logs.RepeatFilter"},
            "strangers": {"()": "mission_control.logs.RefusalFilter"},
        },
        "formatters": {
            "line": {
                "()": "mission_control.logs.TerminalSafeFormatter",
                "format": "%(asctime)s %(levelname)-7s %(process)d %(name)s%(run)s %(message)s",
            }
        },
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["run"]},
            "file": {
                "class": "mission_control.logs.LogFile",
                "filename": str(folder / "mission_control.log"),
                "maxBytes": 10_000_000,
                "backupCount": 5,
                "formatter": "line",
                "filters": ["run"],
            },
        },
        "root": {"handlers": ["console", "file"], "level": level},
        "loggers": {
            "django-q": {"level": "WARNING", "handlers": [], "propagate": True, "filters": ["outage"]},
            "axes": {"level": "ERROR"},  # pocketpaw_site.authentication logs logins itself
            "daphne": {"level": "WARNING"},
            # During an outage: one line of each kind per half minute, not one per request or attempt.
            "pocketpaw_site.http": {"filters": ["seldom"]},
            "psycopg.pool": {"level": "WARNING", "filters": ["seldom"]},
            "django.request": {"filters": ["unexpected"]},
            **{f"django.security.{name}": {"filters": ["strangers"]} for name in REFUSED_BY_DJANGO},
            "httpx": {"level": "WARNING"},
            "httpx2": {"level": "WARNING"},
            "django.channels.server": {"level": "WARNING"},
        },
    }
