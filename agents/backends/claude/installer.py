"""Install the SDK into the environment of this Python: only what two lock files pin, each file with its hash.

Where `claude` is installed, the SDK is built from its source (1 MB), by the pinned build tool. Elsewhere its wheel
is installed, which contains the CLI (about 390 MB). `python -m agents.backends.claude` does it on a terminal.
"""

import fcntl
import importlib
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TextIO

from agents.backends.claude.installation import is_too_old, sdk_folder
from agents.backends.programs.places import find_program
from agents.backends.programs.versions import version_in_files
from agents.redaction import shown_error

ROOT = Path(__file__).parents[3]
LOCK = ROOT / "requirements-claude.lock"
BUILD_LOCK = ROOT / "requirements-claude-build.lock"
STAMP = "requirements-claude.lock.of-sdk"  # in the environment: a copy of the lock file that was installed last
MB = 1_000_000
NEEDED_MB = {True: 1_000, False: 150}  # with and without the CLI, while the packages are unpacked
MAX_SECONDS = 1_800
LINE_SECONDS = 0.5
KILL_SECONDS = 5
KEPT_CHARS = 20_000
# pip needs no key of a provider and no secret of the server.
_PASSED = re.compile(
    r"(?:PATH|HOME|USER|LOGNAME|LANG|LC_\w+|PIP_\w+|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|\w+_proxy|\w+_PROXY)\Z"
)
_OPTIONS = (
    *("--require-hashes", "--only-binary=:all:", "--disable-pip-version-check", "--no-input", "--no-color"),
    *("--progress-bar=off", "--retries=2", "--timeout=15"),
)
_DOWNLOAD = re.compile(r"\s*Downloading (?:\S*/)?([\w.-]+)\S* \((\d+(?:\.\d+)?) (kB|MB|GB)\)")
_BYTES = {"kB": 1_000, "MB": MB, "GB": 1_000 * MB}
_STEPS = (
    (re.compile(r"Installing collected packages"), "Unpacking"),
    (re.compile(r"\s*(?:Building wheel|Preparing metadata)"), "Building"),
    (re.compile(r"\s*(?:Collecting|Using cached|Requirement already satisfied)"), "Comparing packages"),
)
_FAILURES = (
    (r"No space left on device|Errno 28", "The disk is full"),
    (
        r"DO NOT MATCH THE HASHES|Hashes are required",
        "A package is not the one that is pinned (its hash differs), so it was refused",
    ),
    (r"No module named pip", "This Python environment has no pip"),
    (r"Permission denied|Errno 13|Read-only file system", "The Python environment cannot be written"),
    (
        r"Failed to establish|name resolution|timed out|Connection (?:reset|broken)|(?:Proxy|SSL|HTTP ?)[Ee]rror",
        "The package server cannot be reached: check the network and try again",
    ),
    (
        r"No matching distribution|Could not find a version",
        "The package server has no such package for this system. If it has no CLI for it, install `claude` first",
    ),
)


@dataclass(frozen=True, slots=True)
class Progress:
    """What the installation does now, and how far a download is."""

    step: str
    done_bytes: int = 0
    total_bytes: int = 0

    def __str__(self) -> str:
        if self.total_bytes < MB:
            return self.step
        return f"{self.step}: {self.done_bytes / MB:.0f} of {self.total_bytes / MB:.0f} MB"


class TerminalProgress:
    """Shows the progress in one line of a terminal; elsewhere a line for each step."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._last = ""
        self._is_terminal = output.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def __call__(self, progress: Progress) -> None:
        text = str(progress) if self._is_terminal else progress.step
        if text != self._last:
            self._last = text
            self._output.write(f"\r\033[K{text}" if self._is_terminal else f"{text}\n")
            self._output.flush()

    def end(self) -> None:
        """End the line of the progress."""
        if self._is_terminal and self._last:
            self._output.write("\n")
        self._last = ""


class InstallFailed(Exception):
    """The installation failed; the message is for users and says what to do."""


def is_missing() -> bool:
    """Return whether the SDK is not installed, or has no CLI although none is in PATH."""
    folder = sdk_folder()
    return folder is None or (needs_cli() and not (folder / "_bundled" / "claude").exists())


def needs_cli() -> bool:
    """Return whether the SDK has to bring the CLI, because no `claude` that fits is in PATH."""
    installed = find_program("claude")
    return installed is None or is_too_old(version_in_files(installed))


def is_current() -> bool:
    """Return whether what the lock file pins is installed."""
    try:
        return Path(sys.prefix, STAMP).read_bytes() == LOCK.read_bytes() and not is_missing()
    except OSError:
        return False


def install(
    report: Callable[[Progress], None], *, with_cli: bool, python: Path | None = None, seconds: float = MAX_SECONDS
) -> None:
    """Install the SDK into the environment of `python`, by default this one. Raises InstallFailed.

    Only one installation per environment runs at a time. `report` is called at each step, and twice a second.
    """
    python = python or Path(sys.executable)
    prefix = python.parent.parent
    if not (prefix / "pyvenv.cfg").exists():
        advice = "install the SDK with the tool that installed Mission Control"
        raise InstallFailed(f"Mission Control does not run in a virtual environment: {advice}")
    _check_space(prefix, with_cli=with_cli)
    deadline = time.monotonic() + seconds
    try:
        with (
            _only_one(prefix) as mutex,
            tempfile.TemporaryDirectory(prefix="claude-sdk-", dir=prefix) as downloads,
        ):
            for arguments in _steps(prefix, with_cli=with_cli):
                command = [str(python), "-m", "pip", *arguments]
                _run(command, report, Path(downloads), deadline=deadline, kept_open=mutex)
            shutil.copyfile(LOCK, prefix / STAMP)
    except OSError as error:
        raise InstallFailed(explain(str(error))) from None
    importlib.invalidate_caches()


def _steps(prefix: Path, *, with_cli: bool) -> Iterator[Sequence[str]]:
    """Yield the arguments of pip. Nothing of them comes from a user."""
    (prefix / STAMP).unlink(missing_ok=True)
    if with_cli:
        if not [*prefix.glob("lib/python*/site-packages/claude_agent_sdk/_bundled/claude")]:
            yield ["uninstall", "--yes", "--quiet", "claude-agent-sdk"]  # pip would keep one without the CLI
        yield ["install", *_OPTIONS, "-r", str(LOCK)]
        return
    yield ["install", *_OPTIONS, "-r", str(BUILD_LOCK)]
    # Without build isolation, which would download any version of the build tool.
    yield ["install", *_OPTIONS, "--no-binary=claude-agent-sdk", "--no-build-isolation", "-r", str(LOCK)]


def _check_space(prefix: Path, *, with_cli: bool) -> None:
    free = shutil.disk_usage(prefix).free // MB
    if free < NEEDED_MB[with_cli]:
        raise InstallFailed(f"The disk has {free} MB free, and {NEEDED_MB[with_cli]} MB are needed")


@contextmanager
def _only_one(prefix: Path) -> Iterator[int]:
    """Hold the lock of the environment. pip inherits it, so it is held while an orphaned pip still works."""
    with (prefix / ".claude-sdk.mutex").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InstallFailed("Another installation is running in this environment") from None
        for left_over in prefix.glob("claude-sdk-*/"):  # of an installation that was killed
            shutil.rmtree(left_over, ignore_errors=True)
        yield file.fileno()


def _run(
    command: Sequence[str],
    report: Callable[[Progress], None],
    downloads: Path,
    *,
    deadline: float,
    kept_open: int,
) -> None:
    """Run pip to its end. Raises InstallFailed. Whatever happens, no process of it is left."""
    environment = {name: value for name, value in os.environ.items() if _PASSED.match(name)}
    process = subprocess.Popen(  # noqa: S603 - nothing of the command comes from a user
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**environment, "PYTHONUNBUFFERED": "1", "TMPDIR": str(downloads)},
        start_new_session=True,
        pass_fds=[kept_open],
    )
    try:
        said = _follow(process, report, downloads, deadline)
        status = process.wait()
    finally:
        _end(process)
    if status:
        raise InstallFailed(explain(said))


def _follow(
    process: subprocess.Popen[str], report: Callable[[Progress], None], downloads: Path, deadline: float
) -> str:
    """Report the progress until pip closes its output; return the end of the output."""
    lines = queue.SimpleQueue[str | None]()
    threading.Thread(target=_read, args=(process, lines), daemon=True).start()
    said, step, total = "", "Starting", 0
    report(Progress(step))
    while True:
        with suppress(queue.Empty):
            line = lines.get(timeout=LINE_SECONDS)
            if line is None:
                return said
            said = (said + line)[-KEPT_CHARS:]
            step, total = _step_of(line) or (step, total)
        if time.monotonic() > deadline:
            raise InstallFailed("It took too long: check the network and try again")
        report(Progress(step, min(_size_of(downloads), total), total))


def _read(process: subprocess.Popen[str], lines: "queue.SimpleQueue[str | None]") -> None:
    assert process.stdout is not None
    with suppress(ValueError, OSError):  # closed by `_end`
        for line in process.stdout:
            lines.put(line)
    lines.put(None)


def _step_of(line: str) -> tuple[str, int] | None:
    """Return the step that a line of pip begins, and the size of its download; None if it begins none."""
    if found := _DOWNLOAD.match(line):
        return f"Downloading {found[1].partition('-')[0]}", int(float(found[2]) * _BYTES[found[3]])
    return next(((step, 0) for pattern, step in _STEPS if pattern.match(line)), None)


def _size_of(folder: Path) -> int:
    """Return the size of the largest file: the package that is being downloaded."""
    largest = 0
    with suppress(OSError):  # pip may remove a file while its size is read
        for path in folder.rglob("*"):
            largest = max(largest, path.stat().st_size if path.is_file() else 0)
    return largest


def _end(process: subprocess.Popen[str]) -> None:
    """End pip and its children, and close its output."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            break
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(KILL_SECONDS)


def explain(said: str) -> str:
    """Return why pip failed, and what to do about it, from its output."""
    for pattern, reason in _FAILURES:
        if re.search(pattern, said):
            return reason
    errors = [line.strip() for line in said.splitlines() if line.lstrip().startswith("ERROR")]
    return shown_error(
        f"The installation failed: {errors[-1] if errors else said.strip()[-150:] or 'no reason given'}"
    )
