"""The system that is broken: the product, its servers, its disk, and the clients that talk to it."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.chaos.audience import Audience
from tests.chaos.database import Reader
from tests.chaos.ledger import KINDS, Ledger
from tests.chaos.load import Client
from tests.chaos.processes import Family
from tests.product import Product, server_environment
from tests.servers import PostgreSQL, Redis

LEASE_SECONDS = 8  # faults hold the database for less than this
STOP_SECONDS = 30  # `up` promises ten; a busy machine needs longer


class Disk:
    """A small file system under the data folder, to be filled up, if the machine allows mounting one."""

    MEGABYTES, OF_A_ROUND = 192, 3  # a round leaves about two for the next ones to keep

    def __init__(self, folder: Path, *, rounds: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        size = f"size={self.MEGABYTES + rounds * self.OF_A_ROUND}m"
        try:
            made = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "chaos", str(folder)], capture_output=True)
            self.is_small = made.returncode == 0
        except OSError:
            self.is_small = False

    @property
    def ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self) -> None:
        """Take the last free byte."""
        with self.ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while file.write(bytes(size)):
                        continue
                except OSError:
                    continue

    def empty(self) -> None:
        self.ballast.unlink(missing_ok=True)

    def end(self) -> None:
        if self.is_small:
            subprocess.run(["umount", "-l", str(self.folder)], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class Subject:
    """One start of everything; many rounds use it."""

    def __init__(self, profile: str, folder: Path, *, rounds: int) -> None:
        """Start everything. The caller ends it, also when this raises."""
        self.profile, self.folder = profile, folder
        self.disk = Disk(folder / "data", rounds=rounds)
        self.redis: Redis | None = None
        self.postgresql: PostgreSQL | None = None
        self.audience: Audience | None = None
        environment = {
            "MISSION_CONTROL_LEASE_SECONDS": str(LEASE_SECONDS),
            "MISSION_CONTROL_SAMPLE": "no",
        }
        if profile == "server":
            self.redis, self.postgresql = Redis(folder), PostgreSQL(folder)
            environment |= server_environment(self.postgresql.url, self.redis.url)
        self.product = Product(self.disk.folder, **environment)
        self.ledger = Ledger()
        self.reader = Reader(self.disk.folder, environment.get("DATABASE_URL"))

    def start(self) -> "Subject":
        self.product.start()
        agents = {}
        for name, kind in KINDS.items():
            options = {} if kind.fail_after is None else {"fail_after": kind.fail_after}
            agents[name] = self.product.new_rehearser(kind.chunks, delay=kind.delay, bytes=kind.bytes, **options)
        self.client = Client(self.product, self.ledger, agents)
        self.audience = Audience(self.product)
        self.limit = self.reader.limit()
        return self

    @property
    def family(self) -> Family:
        return Family(self.product)

    def start_again(self) -> None:
        """Start the product as a user does after its end, on the same folder and port."""
        self.product.client.close()
        self.product.start()

    def new_client(self) -> Client:
        return Client(self.product, self.ledger, self.client.agents)

    def keep(self, place: Path) -> None:
        """Copy what helps to explain a failure: the data folder, the log, the database."""
        self.disk.empty()
        shutil.copytree(self.disk.folder, place, dirs_exist_ok=True, ignore=_no_files)
        shutil.copy(self.product.log, place / "product.log")
        if self.postgresql:
            with (place / "database.sql").open("wb") as out:
                command = [str(self.postgresql.bin / "pg_dump"), self.product.environment["DATABASE_URL"]]
                subprocess.run(command, stdout=out, check=False, timeout=60)

    def end(self) -> list[str]:
        """End everything; return the processes of the product that did not end as they should."""
        if self.audience:
            self.audience.end()
        broken = self._end_product() if self.product.process else []
        for server in (self.redis, self.postgresql):
            if server:
                server.stop()
        self.disk.end()
        return broken

    def _end_product(self) -> list[str]:
        broken = []
        try:
            status = self.product.stop(seconds=STOP_SECONDS)
            broken += [f"it ended with exit status {status}"] if status else []
        except subprocess.TimeoutExpired:
            broken.append(f"it did not end within {STOP_SECONDS} s of SIGTERM")
        self.product.process.wait()
        left = self.family.commands()
        broken += [f"left behind after its end: {command} (pid {pid})" for pid, command in left.items()]
        self.family.kill(*left)
        return broken


def _no_files(folder: str, names: list[str]) -> list[str]:
    """Return the names that cannot be copied: pipes."""
    return [name for name in names if Path(folder, name).is_fifo()]


def forget_the_environment() -> None:
    """Remove the variables that would configure the product differently from our environment."""
    for name in list(os.environ):
        if name.startswith("MISSION_CONTROL_") or name in (
            "DATABASE_URL",
            "REDIS_URL",
            "SECRET_KEY",
            "ALLOWED_HOSTS",
            "HOST",
            "PORT",
            "DJANGO_SETTINGS_MODULE",
        ):
            del os.environ[name]
