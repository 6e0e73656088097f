"""The guardian.

A process between a worker and an agent's program, so that no process of the program outlives its run.  It is
started as a script, under the program's user. On standard input it gets the launch spec as one line of JSON and
the bytes of the prompt; in a dialogue also more lines for the program, of which an empty one ends its input. When
standard input is closed, by a stop or by the kernel because the worker was killed, it ends all its descendants, in
any process group or session: with TERM, and with KILL after a grace period. It does the same when the program has
ended, and exits with its status. It uses only the standard library and imports none of our modules.
"""

import ctypes
import json
import os
import queue
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

KILL_SECONDS = 5.0  # processes left after this belong to another user, and we may not signal them
CANNOT_START = 127
CHECK_SECONDS = 0.5  # between two checks of the number of processes and the free disk space
LIMIT_STATUS = 122  # the program was ended at a limit, whose name is at the end of standard error
LIMIT_MARK = "limit reached: "
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
# Loaded here: between fork and exec nothing may be imported.
_prctl = ctypes.CDLL(None).prctl if sys.platform.startswith("linux") else None


class Guardian:
    """One program and all its descendants."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.grace_seconds: float = spec["grace_seconds"]
        self.spare_wrapper: bool = spec["spare_wrapper"]
        self.prompt_file = spec["prompt_file"]
        self.is_dialogue: bool = spec["is_dialogue"]
        self._input: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._line = b""  # the incomplete line of a dialogue
        self.max_processes: int = spec["max_processes"]
        self.min_free_bytes: int = spec["min_free_bytes"]
        self.folder: str = spec["cwd"]
        self._checked_at = time.monotonic()
        self.status: int | None = None  # the program's exit status, as a shell reports it
        self._wake, wake = os.pipe()
        for end in (self._wake, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self.is_stopping = False
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, self._note_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _note_stop(self, *_: object) -> None:
        self.is_stopping = True

    def start(self, spec: dict[str, Any], prompt: bytes) -> None:
        """Start the program. It is killed with this process, and its orphaned children become our children."""
        if _prctl is not None:
            _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        if self.prompt_file:
            Path(self.prompt_file).write_bytes(prompt)
        self._process = process = subprocess.Popen(  # noqa: S603 - what the operator has allowed
            spec["argv"],
            cwd=spec["cwd"],
            env=spec["env"],
            stdin=subprocess.DEVNULL if self.prompt_file else subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_child_setup(os.getpid(), spec["max_file_bytes"]),  # noqa: PLW1509 - there is one thread as yet
        )
        self.pid = process.pid  # `_process` is kept: if it were collected it would reap the status
        self._errors = os.dup(2)
        for descriptor in (1, 2):  # only the program keeps them open, so that their end is noticed
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
        if process.stdin is not None:
            self._input.put(prompt)
            if not self.is_dialogue:
                self._input.put(None)
            threading.Thread(target=_write, args=[process.stdin, self._input], daemon=True).start()

    def run_to_end(self) -> int:
        """Wait until the program ends, or must be ended; return its status when no descendant is left."""
        exceeded = ""
        while self.status is None and not self.is_stopping and not exceeded:
            readable, _, _ = select.select([0, self._wake], [], [], CHECK_SECONDS)
            self.reap()
            if 0 in readable and not self._forward_input():
                break
            exceeded = self._exceeded_limit()
        self.end()
        if self.prompt_file:
            Path(self.prompt_file).unlink(missing_ok=True)
        if exceeded:
            os.write(self._errors, f"\n{LIMIT_MARK}{exceeded}\n".encode())
            return LIMIT_STATUS
        return 128 + signal.SIGKILL if self.status is None else self.status

    def _exceeded_limit(self) -> str:
        """Return the name of the limit that the program exceeds, empty for none; checks twice a second."""
        if time.monotonic() - self._checked_at < CHECK_SECONDS:
            return ""
        self._checked_at = time.monotonic()
        if len(descendants()) > self.max_processes:
            return "processes"
        with suppress(OSError):
            disk = os.statvfs(self.folder)
            if disk.f_bavail * disk.f_frsize < self.min_free_bytes:
                return "disk"
        return ""

    def _forward_input(self) -> bool:
        """Forward input to the program; return False when standard input was closed."""
        piece = os.read(0, 1 << 16)
        if self.is_dialogue:
            *lines, self._line = (self._line + piece).split(b"\n")
            for line in lines:
                self._input.put(line + b"\n" if line else None)
        return bool(piece)

    def reap(self) -> None:
        """Collect the status of ended children."""
        with suppress(BlockingIOError):
            os.read(self._wake, 1024)
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self.pid:
                    code = os.waitstatus_to_exitcode(ended[1])
                    self.status = code if code >= 0 else 128 - code

    def end(self) -> None:
        """Send TERM, then KILL, until no descendant is left."""
        spared = {self.pid} if self.spare_wrapper else set()
        if self.status is None and not spared:
            _signal(os.killpg, self.pid, signal.SIGTERM)
        for pid in descendants() - spared:
            _signal(os.kill, pid, signal.SIGTERM)
        self._wait(self.grace_seconds, lambda: None)
        self._wait(KILL_SECONDS, self._kill)

    def _kill(self) -> None:
        if self.status is None:
            _signal(os.killpg, self.pid, signal.SIGKILL)
        for pid in descendants():
            _signal(os.kill, pid, signal.SIGKILL)

    def _wait(self, seconds: float, act: Callable[[], None]) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.reap()
            if self.status is not None and not descendants():
                return
            act()
            select.select([self._wake], [], [], 0.02)


def _child_setup(guardian: int, max_file_bytes: int) -> Callable[[], None]:
    """Return a function, called between fork and exec, that limits file sizes and ends the program with us."""
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    size = max_file_bytes if most == resource.RLIM_INFINITY else min(max_file_bytes, most)

    def setup() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        if _prctl is not None:
            _prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
            if os.getppid() != guardian:
                os._exit(CANNOT_START)

    return setup


def _write(stdin: Any, pieces: "queue.SimpleQueue[bytes | None]") -> None:
    """Write pieces until None. A program that does not read its input is no error."""
    with suppress(OSError), stdin:
        while (piece := pieces.get()) is not None:
            stdin.write(piece)
            stdin.flush()


def _signal(send: Callable[[int, int], None], pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        send(pid, number)


def descendants() -> set[int]:
    """Return the live descendants of this process; empty without /proc."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if state not in "ZX":
            children.setdefault(int(parent), []).append(int(stat.parent.name))
    found: set[int] = set()
    unseen = [os.getpid()]
    while unseen:
        for child in children.get(unseen.pop(), []):
            if child not in found:
                found.add(child)
                unseen.append(child)
    return found


def read_spec() -> tuple[dict[str, Any], bytes]:
    """Read the launch spec and the prompt, and not a byte more: the rest is for `_forward_input`."""
    data = b""
    while b"\n" not in data:
        data += _read()
    line, _, prompt = data.partition(b"\n")
    spec = json.loads(line)
    while len(prompt) < spec["prompt_bytes"]:
        prompt += _read()
    return spec, prompt


def _read() -> bytes:
    piece = os.read(0, 1 << 16)
    if not piece:
        raise SystemExit(CANNOT_START)  # the worker has ended before the start
    return piece


def main() -> int:
    """Run one program to its end; return the exit status."""
    spec, prompt = read_spec()
    guardian = Guardian(spec)
    try:
        guardian.start(spec, prompt)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"cannot be started: {getattr(error, 'strerror', None) or error}\n")
        return CANNOT_START
    return guardian.run_to_end()


if __name__ == "__main__":
    sys.exit(main())
