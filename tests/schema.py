"""A database with the schema and no data, created once for all test processes and then copied.

Migrating takes five seconds of a core, and the tests need about fifty databases.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import inherited_environment, new_database

CHECKOUT = Path(__file__).resolve().parent.parent
DATABASE_FILE = "mission_control.sqlite3"  # its name in a data folder
TEMPLATE = "schema_template"  # its name in the tests' PostgreSQL


def copy_to_folder(data_dir: Path) -> None:
    """Put an SQLite database with the schema into a data folder that has none yet."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    copy_to_file(data_dir / DATABASE_FILE)


def copy_to_file(path: Path) -> None:
    with _one_at_a_time() as folder:
        made = folder / "schema" / DATABASE_FILE
        if not made.exists():
            _migrate({"MISSION_CONTROL_DATA_DIR": str(made.parent)})
    shutil.copy(made, path)


def copy_on_server(url: str, name: str = "") -> str:
    """Create a database with the schema on the PostgreSQL server of the URL, and return its URL."""
    with _one_at_a_time() as folder:
        done = folder / "schema-on-server"
        if not done.exists():
            place = new_database(url, TEMPLATE)
            _migrate({"MISSION_CONTROL_DATA_DIR": str(folder / "schema"), "DATABASE_URL": place})
            done.touch()
        return new_database(url, name, template=TEMPLATE)


@contextmanager
def _one_at_a_time() -> Iterator[Path]:
    """Hold the lock of the folder that all test processes share, and yield the folder."""
    folder = Path(os.environ["MISSION_CONTROL_TEST_ENVIRONMENT"])
    with (folder / "schema.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _migrate(environment: dict[str, str]) -> None:
    inherited = inherited_environment()
    for name in ("DATABASE_URL", "REDIS_URL"):
        inherited.pop(name, None)
    command = [sys.executable, "manage.py", "migrate", "-v", "0"]
    subprocess.run(command, cwd=CHECKOUT, env=inherited | environment, check=True, timeout=180)
