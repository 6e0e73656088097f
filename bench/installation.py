"""An installation to measure: a profile with its own data folder, database and number of stored tasks."""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.product import CHECKOUT, Product, server_environment
from tests.servers import PostgreSQL, Redis

FILL_SECONDS = 3600
FOREIGN = ("PORT", "HOST", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ALLOWED_HOSTS", "DJANGO_DEBUG")


class DurablePostgreSQL(PostgreSQL):
    """PostgreSQL as in production: what it acknowledges is on the disk."""

    def run(self, program: str, *arguments: str, check: bool = True) -> None:
        durable = [argument.replace("fsync=off", "fsync=on") for argument in arguments]
        super().run(program, *durable, check=check)

    @property
    def pid(self) -> int:
        return int((self.folder / "postmaster.pid").read_text().split()[0])


class Servers:
    """PostgreSQL and Redis of the server profile."""

    def __init__(self, folder: Path) -> None:
        self.postgresql = DurablePostgreSQL(folder)
        self.redis = Redis(folder)

    @property
    def pids(self) -> list[int]:
        return [self.postgresql.pid, self.redis.process.pid]

    def new_environment(self) -> dict[str, str]:
        return server_environment(self.postgresql.url, self.redis.url)

    def stop(self) -> None:
        self.postgresql.stop()
        self.redis.stop()


class MeasuredProduct(Product):
    """The product and the time it took to become ready, polled in a way that does not slow it down."""

    ready_seconds: float
    servers: Servers | None = None

    def start(self) -> "MeasuredProduct":
        self.started_at = time.monotonic()
        super().start()
        return self

    def is_ready(self) -> bool:
        assert self.process.poll() is None, f"the product ended with {self.process.returncode}: {self.said()}"
        probe = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            probe.request("GET", "/readyz")
            ready = probe.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            probe.close()
        self.ready_seconds = time.monotonic() - self.started_at
        return ready


class Installation:
    """Is started and stopped for each measurement; its data is kept in between."""

    def __init__(self, folder: Path, profile: str, size: int, servers: Servers | None) -> None:
        self.profile = profile
        self.size = size
        self.servers = servers
        self.data_dir = folder / f"{profile}-{size}"
        self.environment = {"MISSION_CONTROL_SAMPLE": "no"} | (servers.new_environment() if servers else {})

    def __str__(self) -> str:
        return f"{self.profile}, {self.size:,} tasks"

    @contextmanager
    def running(self) -> Iterator[MeasuredProduct]:
        product = MeasuredProduct(self.data_dir, **self.environment)
        product.servers = self.servers
        try:
            yield product.start()
        finally:
            product.stop()

    def fill(self, events: int) -> None:
        """Create the database, its first user and token, and store the tasks."""
        with self.running() as product:
            environment = product.environment
        subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "bench.fill", str(self.size), str(events)],
            cwd=CHECKOUT,
            env=environment | {"DJANGO_SETTINGS_MODULE": "pocketpaw_site.settings"},
            check=True,
            timeout=FILL_SECONDS,
        )


@contextmanager
def installations(profiles: list[str], sizes: list[int]) -> Iterator[list[Installation]]:
    """Prepare one installation for each profile and size, and remove them at the end."""
    forget_settings()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="mission-control-bench-")))
        servers = None
        if "server" in profiles:
            servers = Servers(folder)
            stack.callback(servers.stop)
        by_profile = {"embedded": None, "server": servers}
        yield [Installation(folder, profile, size, by_profile[profile]) for profile in profiles for size in sizes]


def forget_settings() -> None:
    """Remove variables for other installations from the environment."""
    for name in list(os.environ):
        if name in FOREIGN or name.startswith("MISSION_CONTROL_"):
            del os.environ[name]
