"""Which profile the tests run in: embedded (SQLite) or server (PostgreSQL and Redis of their own).

A pytest plugin that is loaded before Django's settings: `pytest --profile server`.
"""

import os
import sys
import tempfile
from pathlib import Path

import pytest

# What can differ between SQLite and PostgreSQL, or between one process's memory and Redis: transactions and locks,
# queries, values at the limits of a column, what is published. `--differing` runs only these.
DIFFERING = [
    "runs",
    "queue",
    "realtime",
    "scheduling",
    "actions/test_reviews",
    *[f"planning/test_{name}" for name in ("stops", "whole")],
    *[f"system/test_{name}" for name in ("faults", "main_job", "outage", "schema_fuzz")],
    *[f"api/test_{name}" for name in ("api_races", "bad_everywhere", "bad_fields", "dependencies", "feed")],
    *[f"api/test_{name}" for name in ("lists", "metrics", "notifications", "objects", "operations", "running")],
    *["api/test_usage.py", "web/board/test_board_order.py"],
]
_TESTS = Path(__file__).parent


def pytest_addoption(parser):
    parser.addoption("--profile", choices=["embedded", "server"], default="embedded", help=__doc__.split("\n")[0])
    parser.addoption("--differing", action="store_true", help="run what can differ between the profiles")


def can_differ(item: pytest.Item) -> bool:
    """Return whether a test is worth running in the server profile too."""
    name = item.path.relative_to(_TESTS).as_posix()
    if item.get_closest_marker("embedded"):
        return False
    return bool(item.get_closest_marker("server")) or any(name.startswith(start) for start in DIFFERING)


def _asked_for_server() -> bool:
    arguments = sys.argv
    return "--profile=server" in arguments or any(
        arguments[i : i + 2] == ["--profile", "server"] for i in range(len(arguments))
    )


PROXY = ("BEHIND_TLS", "HSTS_SECONDS", "HTTPS_REDIRECT", "NUM_PROXIES", "ROOT_PATH")


def _prepare() -> None:
    """Create an environment for the tests, once: xdist's workers inherit it.

    Each worker takes its own data folder in it, with a secret key and names in Redis, so that none hears another.
    """
    if shared := os.environ.get("MISSION_CONTROL_TEST_ENVIRONMENT"):
        worker = os.environ.get("PYTEST_XDIST_WORKER")
        if worker:
            os.environ["MISSION_CONTROL_DATA_DIR"] = str(Path(shared) / f"data-{worker}")
        return
    for name in list(os.environ):
        if name.startswith("MISSION_CONTROL_") and not name.startswith("MISSION_CONTROL_TEST_"):
            del os.environ[name]
    for name in (
        "DATABASE_URL",
        "REDIS_URL",
        "SECRET_KEY",
        "ALLOWED_HOSTS",
        "HOST",
        "PORT",
        "DJANGO_DEBUG",
        *PROXY,
    ):
        os.environ.pop(name, None)
    folder = Path(tempfile.mkdtemp(prefix="mission-control-tests-"))
    os.environ["MISSION_CONTROL_TEST_ENVIRONMENT"] = str(folder)
    os.environ["MISSION_CONTROL_ENV_FILE"] = ""
    os.environ["MISSION_CONTROL_FIND_AGENTS"] = "no"  # what this machine has must not change a page
    os.environ["MISSION_CONTROL_DATA_DIR"] = str(folder / "data")
    os.environ["LOG_LEVEL"] = "WARNING"
    if _asked_for_server():
        os.environ.update(_servers(folder))


def _servers(folder: Path) -> dict[str, str]:
    """Start the servers of the server profile.

    If one is missing, say so in one line and run no test; where `CI` is set this is a failure.
    """
    from tests.servers import start_for_tests

    try:
        return start_for_tests(folder)
    except pytest.skip.Exception as missing:
        sys.stdout.write(f"The tests of the server profile are left out: {missing}\n")
        raise SystemExit(0) from None
    except pytest.fail.Exception as missing:
        sys.stdout.write(f"The tests of the server profile cannot run: {missing}\n")
        raise SystemExit(1) from None


_prepare()
