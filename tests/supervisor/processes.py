"""The whole product as a subprocess, observed from outside: its output, its processes, its API."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import uuid
from pathlib import Path

from tests.servers import inherited_environment, wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
READY = "Mission Control is ready."
PATIENCE_SECONDS = 60  # for a busy machine; most waits take a second or two
FOREIGN = ("PORT", "HOST", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ALLOWED_HOSTS", "DJANGO_SETTINGS_MODULE")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Command:
    """A `manage.py` command. It and all processes it starts carry a mark in their environment."""

    program: tuple[str, ...] = (sys.executable, str(CHECKOUT / "manage.py"))

    def __init__(self, folder: Path, *words: str, **environment: str) -> None:
        self.folder = folder
        self.mark = f"MISSION_CONTROL_TEST={uuid.uuid4().hex}"
        self.log = Path(tempfile.gettempdir(), f"{self.mark}.out")
        name, _, value = self.mark.partition("=")
        inherited = {
            key: value
            for key, value in inherited_environment().items()
            if key not in FOREIGN and not key.startswith("MISSION_CONTROL_")
        }
        settings = {
            "MISSION_CONTROL_DATA_DIR": str(folder),
            "MISSION_CONTROL_ENV_FILE": "",
            "PORT": "0",
            name: value,
        }
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [*self.program, *words],
                env=inherited | settings | environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def pids(self) -> list[int]:
        """Return all living processes with our mark, this one first."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and self.mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
        return sorted(filter(is_alive, found))

    def commands(self) -> dict[int, str]:
        """Return the command line of each process, as `ps` shows it."""
        lines = {}
        for pid in self.pids:
            try:
                lines[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            except OSError:
                continue
        return lines

    def children_of(self, parent: int | None) -> list[int]:
        return [pid for pid in self.pids if parent_of(pid) == parent]

    def says(self, text: str) -> bool:
        if text in self.output:
            return True
        assert self.process.poll() is None, f"it ended with {self.process.returncode} and said:\n{self.output}"
        return False

    def await_line(self, text: str) -> None:
        wait_until(lambda: self.says(text), seconds=PATIENCE_SECONDS, what=f"the line {text!r}")

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def await_end(self, *, seconds: float = PATIENCE_SECONDS) -> int:
        return self.process.wait(seconds)

    def end(self) -> None:
        """End all processes, whatever the test did."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        for pid in self.pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
        self.log.unlink()


class Up(Command):
    """`manage.py up`, ready."""

    words = ("up",)

    def __init__(self, folder: Path, **environment: str) -> None:
        super().__init__(folder, *self.words, **environment)

    def await_ready(self) -> "Up":
        self.await_line("Ctrl-C stops it.")
        return self

    @property
    def url(self) -> str:
        return self.after("Address")

    def after(self, word: str) -> str:
        """Return the rest of the line in the ready block that begins with the word."""
        lines = self.output.partition(READY)[2].splitlines()
        return next(line.strip().removeprefix(word).strip() for line in lines if line.strip().startswith(word))

    @property
    def web(self) -> int | None:
        children = self.children_of(self.process.pid)
        return next((pid for pid in children if "manage.py web" in self.commands().get(pid, "")), None)

    @property
    def worker(self) -> int | None:
        children = self.children_of(self.process.pid)
        return next((pid for pid in children if "manage.py worker" in self.commands().get(pid, "")), None)

    @property
    def cluster(self) -> int | None:
        return next((pid for pid in self.children_of(self.worker) if self.children_of(pid)), None)

    @property
    def reaper(self) -> int | None:
        return next((pid for pid in self.children_of(self.worker) if not self.children_of(pid)), None)

    @property
    def sentinel(self) -> int | None:
        return next(iter(self.children_of(self.cluster)), None)

    def call(self, method: str, path: str, body: dict | None = None) -> tuple[int, dict]:
        """Call the API with the first token."""
        request = urllib.request.Request(
            f"{self.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {(self.folder / 'access_token').read_text().strip()}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")

    def make_task(self, title: str, **options: object) -> tuple[str, str]:
        """Create a task and a demo agent with these options; return their ids."""
        agent = {"name": f"Agent of {title}", "role": "tester", "backend": "demo", "backend_options": options}
        status, answer = self.call("POST", "/api/mission-control/agents", agent)
        assert status == 200, answer
        agent_id = answer["agent"]["id"]
        status, answer = self.call(
            "POST", "/api/mission-control/tasks", {"title": title, "assignee_ids": [agent_id]}
        )
        assert status == 200, answer
        return answer["task"]["id"], agent_id

    def run(self, task: tuple[str, str], **options: object) -> str:
        """Run a task with its agent; return the run's id."""
        task_id, agent_id = task
        status, answer = self.call(
            "POST", f"/api/mission-control/tasks/{task_id}/run", {"agent_id": agent_id, **options}
        )
        assert status == 200, answer
        return answer["run_id"]

    def state(self, run_id: str) -> dict:
        return self.call("GET", f"/api/mission-control/runs/{run_id}")[1]["run"]

    def await_status(self, run_id: str, status: str) -> dict:
        wait_until(
            lambda: self.state(run_id)["status"] == status,
            seconds=PATIENCE_SECONDS,
            what=f"run {run_id} to be {status}",
        )
        return self.state(run_id)


def parent_of(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


class MakeRun(Up):
    """`make run`, as the README describes it."""

    program = ("make", "-C", str(CHECKOUT))
    words = ("run",)
