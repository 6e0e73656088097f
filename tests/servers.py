"""PostgreSQL and Redis of the tests' own, on free ports, which end with the tests."""

import atexit
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from tests.needs import need

WAIT_SECONDS = 60  # for a condition that is met at once on a quiet machine


def inherited_environment() -> dict[str, str]:
    """Return the environment for a program that a test starts, without coverage measurement."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS_")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(
    condition: Callable[[], object],
    *,
    seconds: float = WAIT_SECONDS,
    every: float = 0.02,
    what: str = "the condition",
):
    """Return the first true value of `condition`; fail if there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(every)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Redis:
    """A Redis server of our own, which a test may kill and start again."""

    def __init__(self, folder: Path) -> None:
        [self.program] = need("redis-server", "the server profile")
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()
        atexit.register(self.stop)

    def start(self) -> None:
        command = [
            "redis-server",
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self.process = subprocess.Popen([*command, "--dir", str(self.folder)], stdout=subprocess.DEVNULL)
        wait_until(lambda: answers(self.port), what="Redis")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


class PostgreSQL:
    """A PostgreSQL server of our own. It refuses to run as root, so that root runs it as the user `postgres`."""

    def __init__(self, folder: Path) -> None:
        self.bin = postgresql_bin()
        self.folder = folder / "postgresql"
        self.port = free_port()
        self.user = "postgres" if os.getuid() == 0 else None
        self.folder.mkdir()
        if self.user:
            folder.chmod(0o711)
            shutil.chown(self.folder, self.user)
        self.run("initdb", "-D", str(self.folder), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8")
        self.start()
        atexit.register(self.stop)

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        options += " -c max_connections=200"
        log = str(self.folder / "log")
        self.run("pg_ctl", "-D", str(self.folder), "-w", "-o", options, "-l", log, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.folder), "-m", "immediate", "stop", check=False)

    def run(self, program: str, *arguments: str, check: bool = True) -> None:
        command = [str(self.bin / program), *arguments]
        quiet = None if check else subprocess.DEVNULL
        subprocess.run(
            command, check=check, user=self.user, cwd="/", stdout=subprocess.DEVNULL, stderr=quiet, timeout=60
        )


def new_database(url: str, name: str = "", *, template: str = "template1") -> str:
    """Create a database on the server of the URL, and return its URL."""
    import psycopg

    name = name or f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return url.rpartition("/")[0] + f"/{name}"


def postgresql_bin() -> Path:
    [initdb, _] = need(["initdb", "pg_ctl"], "the server profile")
    return Path(initdb).resolve().parent


def start_for_tests(folder: Path) -> dict[str, str]:
    """Start both and return the environment variables that select them."""
    return {"DATABASE_URL": PostgreSQL(folder).url, "REDIS_URL": Redis(folder).url}
