"""The whole product, started as a user starts it, and a client that knows only its address and a token."""

import json
import resource
import signal
import subprocess
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Self

import httpx
from websockets.sync.client import connect

from tests.servers import WAIT_SECONDS, free_port, inherited_environment, new_database, wait_until

CHECKOUT = Path(__file__).resolve().parent.parent
READY_SECONDS = 60


class Product:
    """`manage.py up` with a data folder and a port of its own."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.api = f"{self.url}/api/mission-control"
        self.environment = {
            **{name: value for name, value in inherited_environment().items() if name != "DJANGO_SETTINGS_MODULE"},
            "MISSION_CONTROL_DATA_DIR": str(data_dir),
            "MISSION_CONTROL_ENV_FILE": "",
            "PORT": str(self.port),
            "LOG_LEVEL": "INFO",
            **environment,
        }
        self.log = data_dir.with_name(f"{data_dir.name}.log")
        self.process: subprocess.Popen | None = None

    # ------------------------------------------------------------ starting and ending
    def start(self) -> "Product":
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=CHECKOUT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self.is_ready, seconds=READY_SECONDS, what=f"the product to be ready; it said: {self.said()}")
        self.client = httpx.Client(
            base_url=self.api, headers={"Authorization": f"Bearer {self.token}"}, timeout=WAIT_SECONDS
        )
        return self

    def is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the product ended with {self.process.returncode}: {self.said()}")
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""

    def stop(self, *, seconds: float = WAIT_SECONDS) -> int:
        """End it as Ctrl-C or a service manager does, and return its exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        finally:
            self.process.kill()

    def shell(self, code: str) -> str:
        """Run Python code in the product's environment and return its output."""
        command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", code]
        ran = subprocess.run(
            command, cwd=CHECKOUT, env=self.environment, capture_output=True, text=True, timeout=60
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def web_pid(self) -> int:
        """Return the pid of the web process, a child of `up`."""
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(path.read_text().rpartition(")")[2].split()[1])
                command = (path.parent / "cmdline").read_text()
            except OSError:
                continue
            if parent == self.process.pid and "manage.py\0web\0" in command:
                return int(path.parent.name)
        raise AssertionError("no web process runs")

    @property
    def token(self) -> str:
        return (self.data_dir / "access_token").read_text().strip()

    @property
    def password(self) -> str:
        return (self.data_dir / "admin_password").read_text().strip()

    # ------------------------------------------------------------ a client
    def call(self, method: str, path: str, expect: int = 200, **json_body) -> dict:
        answer = self.client.request(method, path, json=json_body if method != "GET" else None)
        assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def get(self, path: str, expect: int = 200) -> dict:
        return self.call("GET", path, expect)

    def post(self, path: str, expect: int = 200, **body) -> dict:
        return self.call("POST", path, expect, **body)

    def new_agent(self, **body) -> str:
        return self.post("/agents", **({"name": "Demo", "role": "Rehearser", "backend": "demo"} | body))["agent"][
            "id"
        ]

    def new_rehearser(self, chunks: int, *, delay: float = 0.0, bytes: int = 50, **options) -> str:
        """Create a demo agent that emits exactly this many chunks."""
        options |= {"chunks": chunks, "chunk_bytes": bytes, "delay_seconds": delay}
        return self.new_agent(backend_options=options)

    def new_task(self, **body) -> str:
        return self.post("/tasks", **({"title": f"Task {uuid.uuid4().hex[:6]}"} | body))["task"]["id"]

    def run(self, task: str, agent: str, expect: int = 200, **body) -> str:
        answer = self.post(f"/tasks/{task}/run", expect, agent_id=agent, **body)
        return answer.get("run_id", answer)

    def run_of(self, run: str) -> dict:
        return self.get(f"/runs/{run}")["run"]

    def ended(self, run: str, *, seconds: float = 2 * WAIT_SECONDS) -> dict:
        """Wait until the run has ended, and return it."""
        return wait_until(
            lambda: (found := self.run_of(run))["finished_at"] and found, seconds=seconds, what=f"run {run} to end"
        )

    def running(self, run: str) -> dict:
        """Wait until a worker has claimed the run and its first output is stored."""
        return wait_until(
            lambda: (found := self.run_of(run))["status"] == "running" and found["last_seq"] > 1 and found,
            what=f"run {run} to say something",
        )

    def end_runs(self) -> None:
        """Stop the runs that other tests have left, and wait until none is active."""

        def is_idle() -> bool:
            statuses = ("parked", "waiting", "queued", "running")  # in the order in which a run passes them
            left = [run["id"] for status in statuses for run in self.get(f"/runs?status={status}")["runs"]]
            for run in left:
                self.client.post(f"/runs/{run}/stop")
            return not left

        wait_until(is_idle, what="the runs of other tests to end")

    def events(self, run: str, after: int = 0) -> list[dict]:
        """Return all stored events of a run after a number."""
        found: list[dict] = []
        while page := self.get(f"/runs/{run}/events?after={after}&limit=500")["events"]:
            found += page
            after = page[-1]["seq"]
        return found

    def socket(self, path: str = "/ws/mission-control"):
        """Open a socket with the token in the header."""
        return connect(
            f"ws://127.0.0.1:{self.port}{path}",
            additional_headers={"Authorization": f"Bearer {self.token}"},
            max_size=None,
        )


class WebProcess:
    """One more web process on a running product's data: `manage.py web`, with settings of its own."""

    def __init__(
        self, product: Product, *options: str, limit_files: tuple[int, int] | None = None, **environment: str
    ):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.api = f"{self.url}/api/mission-control"
        self.token = product.token
        self.log = product.data_dir.with_name(f"web-{self.port}.log")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "web", "--port", str(self.port), *options],
                cwd=CHECKOUT,
                env={**product.environment, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if limit_files is not None:
            resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, limit_files)

    def __enter__(self) -> Self:
        wait_until(self.is_up, seconds=READY_SECONDS, what=f"a web process; it said: {self.said()}")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(WAIT_SECONDS)
        finally:
            self.process.kill()

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.said()
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/healthz", timeout=60).status_code == 200
        return False

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    def web_pid(self) -> int:
        return self.process.pid

    @property
    def login(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def frames_of(socket, run: str | None = None, *, seconds: float = WAIT_SECONDS) -> list[dict]:
    """Read the frames of a run (or of any) from a socket until its last, and return their data with `event`."""
    found = []
    while True:
        frame = json.loads(socket.recv(timeout=seconds))
        data = {**frame.get("data", {}), "event": frame.get("event_type", frame["type"])}
        if "seq" in data and run in (None, data["run_id"]):
            found.append(data)
            if data["event"] == "mc_task_completed":
                return found


def server_environment(postgresql_url: str, redis_url: str) -> dict[str, str]:
    """Return the environment for the server profile, with an empty database of its own."""
    return {"DATABASE_URL": new_database(postgresql_url), "REDIS_URL": redis_url}
