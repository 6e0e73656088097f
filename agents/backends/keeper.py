"""The process between a worker and an agent's program: it sees to it that nothing of the program outlives its run.

Started as a script, as the user that the program runs as. On standard input it gets one line of JSON, the prompt's
bytes, and then nothing; in a dialogue more lines for the program, of which an empty one ends its input. When that
is closed, by a stop or by the kernel because the worker was killed, it ends whatever descends from it, in whatever
process group or session: TERM, and after the grace KILL. It does the same when the program has ended by itself,
and exits as that did. Only the standard library, and no import of ours.
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

KILL_SECONDS = 5.0  # what is still there then belongs to somebody whom we may not signal
CANNOT_START = 127
LOOK_SECONDS = 0.5  # between two looks at how many processes there are and how much of the disk is left
LIMIT_STATUS = 122  # the program was ended at a limit; standard error ends with its name
LIMIT_MARK = "limit reached: "
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
# Looked up here: between fork and exec nothing may be imported.
_prctl = ctypes.CDLL(None).prctl if sys.platform.startswith("linux") else None


class Keeper:
    """One program, and all that comes of it."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.grace_seconds: float = order["grace_seconds"]
        self.spares_first: bool = order["spares_first"]
        self.prompt_file = order["prompt_file"]
        self.is_dialogue: bool = order["is_dialogue"]
        self._input: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._line = b""  # the begun one of a dialogue
        self.max_processes: int = order["max_processes"]
        self.min_free_bytes: int = order["min_free_bytes"]
        self.folder: str = order["cwd"]
        self._looked = time.monotonic()
        self.status: int | None = None  # of the program, as a shell gives it
        self._wake, wake = os.pipe()
        for end in (self._wake, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self.told_to_stop = False
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, self._note_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _note_stop(self, *_: object) -> None:
        self.told_to_stop = True

    def start(self, order: dict[str, Any], prompt: bytes) -> None:
        """Start the program. It is killed with us, and what it leaves behind becomes our child."""
        if _prctl is not None:
            _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        if self.prompt_file:
            Path(self.prompt_file).write_bytes(prompt)
        self._process = process = subprocess.Popen(  # noqa: S603 - what the operator has allowed
            order["argv"],
            cwd=order["cwd"],
            env=order["env"],
            stdin=subprocess.DEVNULL if self.prompt_file else subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_bound(os.getpid(), order["max_file_bytes"]),  # noqa: PLW1509 - there is one thread as yet
        )
        self.pid = process.pid  # `_process` is kept: when it went it would take the status along
        self._errors = os.dup(2)
        for descriptor in (1, 2):  # theirs alone: their end is to be seen
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
        if process.stdin is not None:
            self._input.put(prompt)
            if not self.is_dialogue:
                self._input.put(None)
            threading.Thread(target=_write, args=[process.stdin, self._input], daemon=True).start()

    def keep(self) -> int:
        """Wait for the program's end, or for the order to end it; return its status when nothing is left."""
        excess = ""
        while self.status is None and not self.told_to_stop and not excess:
            readable, _, _ = select.select([0, self._wake], [], [], LOOK_SECONDS)
            self.reap()
            if 0 in readable and not self._hear():
                break
            excess = self._excess()
        self.end()
        if self.prompt_file:
            Path(self.prompt_file).unlink(missing_ok=True)
        if excess:
            os.write(self._errors, f"\n{LIMIT_MARK}{excess}\n".encode())
            return LIMIT_STATUS
        return 128 + signal.SIGKILL if self.status is None else self.status

    def _excess(self) -> str:
        """Return the name of the limit that the program has reached, empty when none; looks twice a second."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return ""
        self._looked = time.monotonic()
        if len(descendants()) > self.max_processes:
            return "processes"
        with suppress(OSError):
            disk = os.statvfs(self.folder)
            if disk.f_bavail * disk.f_frsize < self.min_free_bytes:
                return "disk"
        return ""

    def _hear(self) -> bool:
        """Pass on what is said to the program; return False at the order to end it."""
        piece = os.read(0, 1 << 16)
        if self.is_dialogue:
            *lines, self._line = (self._line + piece).split(b"\n")
            for line in lines:
                self._input.put(line + b"\n" if line else None)
        return bool(piece)

    def reap(self) -> None:
        """Take the status of whatever has ended."""
        with suppress(BlockingIOError):
            os.read(self._wake, 1024)
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self.pid:
                    code = os.waitstatus_to_exitcode(ended[1])
                    self.status = code if code >= 0 else 128 - code

    def end(self) -> None:
        """TERM, then KILL, until nothing is left."""
        spared = {self.pid} if self.spares_first else set()
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


def _bound(keeper: int, max_file_bytes: int) -> Callable[[], None]:
    """Return what binds the program to us and its files to their size, between fork and exec."""
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    size = max_file_bytes if most == resource.RLIM_INFINITY else min(max_file_bytes, most)

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        if _prctl is not None:
            _prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
            if os.getppid() != keeper:
                os._exit(CANNOT_START)

    return bound


def _write(stdin: Any, pieces: "queue.SimpleQueue[bytes | None]") -> None:
    """Write what comes, until None; a program that does not read it may do so."""
    with suppress(OSError), stdin:
        while (piece := pieces.get()) is not None:
            stdin.write(piece)
            stdin.flush()


def _signal(send: Callable[[int, int], None], pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        send(pid, number)


def descendants() -> set[int]:
    """Return the living processes that descend from this one. Empty where there is no /proc."""
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


def read_order() -> tuple[dict[str, Any], bytes]:
    """Read what to do and the prompt, and not a byte more: what comes then is the end."""
    data = b""
    while b"\n" not in data:
        data += _read()
    line, _, prompt = data.partition(b"\n")
    order = json.loads(line)
    while len(prompt) < order["prompt_bytes"]:
        prompt += _read()
    return order, prompt


def _read() -> bytes:
    piece = os.read(0, 1 << 16)
    if not piece:
        raise SystemExit(CANNOT_START)  # the worker has gone before anything began
    return piece


def main() -> int:
    """Keep one program."""
    order, prompt = read_order()
    keeper = Keeper(order)
    try:
        keeper.start(order, prompt)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"cannot be started: {getattr(error, 'strerror', None) or error}\n")
        return CANNOT_START
    return keeper.keep()


if __name__ == "__main__":
    sys.exit(main())
