"""A reader of the product's database that shares no code with the product: plain SQL, its own connection."""

import sqlite3
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

SAMPLE_SECONDS = 0.04
AWAY = (sqlite3.Error, psycopg.Error)


class Reader:
    """Reads rows as dictionaries: ids as UUID strings, times as aware datetimes."""

    def __init__(self, data_dir: Path, url: str | None) -> None:
        self.file = data_dir / "mission_control.sqlite3"
        self.url = url

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Run one query on a connection of its own. Raises one of AWAY while the database is unavailable."""
        connection: Any
        if self.url:
            connection = psycopg.connect(self.url, autocommit=True, connect_timeout=2)
            sql = sql.replace("?", "%s")
        else:
            connection = sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=5)
        try:
            cursor = connection.execute(sql, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, map(_plain, names, row), strict=True)) for row in cursor.fetchall()]
        finally:
            connection.close()

    def limit(self) -> int:
        return self.rows('SELECT "limit" FROM mission_control_capacity')[0]["limit"]

    def active(self) -> list[dict[str, Any]]:
        return self.rows(
            "SELECT id, status, worker, task_id, last_seq FROM mission_control_run"
            " WHERE status IN ('waiting', 'queued', 'running', 'parked')"
        )

    def busy(self) -> dict[str, int]:
        """Return the process that executes each running run: run → pid."""
        running = [run for run in self.active() if run["status"] == "running"]
        return {run["id"]: int(run["worker"].rpartition("/")[2].partition("-")[0]) for run in running}

    def runs(self, since: datetime) -> list[dict[str, Any]]:
        """Return the runs that were active at any time since then, with their task's status."""
        runs = self.rows(
            "SELECT run.id, run.status, run.error, run.worker, run.last_seq, run.output, run.task_id, run.slot,"
            " run.queued_at, run.started_at, run.finished_at, task.status AS task_status"
            " FROM mission_control_run run JOIN mission_control_task task ON task.id = run.task_id"
        )
        return [run for run in runs if run["finished_at"] is None or run["finished_at"] >= since]

    def events(self, runs: list[str]) -> dict[str, list[dict[str, Any]]]:
        """Return the events of runs, ordered by their numbers."""
        if not runs:
            return {}
        keys = runs if self.url else [key.replace("-", "") for key in runs]
        found: dict[str, list[dict[str, Any]]] = {run: [] for run in runs}
        marks = ", ".join("?" * len(keys))
        for event in self.rows(
            "SELECT run_id, seq, type, content, timestamp, metadata FROM mission_control_runevent"
            f" WHERE run_id IN ({marks}) ORDER BY run_id, seq, id",
            *keys,
        ):
            found[event["run_id"]].append(event)
        return found

    def texts(self, table: str, column: str) -> dict[str, str]:
        return {row["id"]: row[column] for row in self.rows(f"SELECT id, {column} FROM mission_control_{table}")}


def _plain(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name.endswith("_at") or name == "timestamp":
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if name == "id" or name.endswith("_id"):
        return str(uuid.UUID(str(value)))
    return value


class Sampler(threading.Thread):
    """Queries the database repeatedly and records each time the limit was exceeded."""

    def __init__(self, reader: Reader, limit: int) -> None:
        super().__init__(name="sampler", daemon=True)
        self.reader, self.limit = reader, limit
        self.most, self.looks = 0, 0
        self.over: list[str] = []
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            try:
                self._look()
            except AWAY:
                continue

    def _look(self) -> None:
        active = self.reader.active()
        holding = [run for run in active if run["status"] in ("queued", "running")]
        self.looks += 1
        self.most = max(self.most, len(holding))
        if len(holding) > self.limit:
            self.over.append(f"{len(holding)} runs held a slot at once, the limit is {self.limit}")
        tasks = [run["task_id"] for run in active]
        self.over += [f"task {task} had two active runs" for task in {t for t in tasks if tasks.count(t) > 1}]

    def end(self) -> None:
        self._done.set()
        self.join(10)


def patiently(read: Callable[[], Any], default: Any = None) -> Any:
    """Return the result of `read`, or the default while the database is unavailable."""
    try:
        return read()
    except AWAY:
        return default
