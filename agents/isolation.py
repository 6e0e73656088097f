"""Agents run apart: what a program of theirs sees of this machine.

By bubblewrap it sees the system's programs, the working folder and its own configuration, and no other process; as
another user whatever that user may. By nothing at all it sees what the server sees.
"""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

TRY_SECONDS = 10
PYTHON = "python3"  # what another user's keeper runs on: ours may be closed to others
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
# Of /etc only what programs cannot do without: an operator's own files may hold keys.
CONFIGURATION = (
    *("alternatives", "ca-certificates", "ca-certificates.conf", "crypto-policies", "gai.conf", "gitconfig"),
    *("group", "host.conf", "hosts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "locale.conf", "localtime"),
    *("login.defs", "mime.types", "nsswitch.conf", "passwd", "pki", "profile", "protocols", "resolv.conf"),
    *("services", "ssl", "terminfo", "timezone"),
)


class IsolationError(Exception):
    """Agents cannot run apart as the operator asked for. The message is for people."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a program may see besides the system: its own folder, what it may read, what it may write."""

    workdir: Path
    readable: Sequence[Path] = ()
    writable: Sequence[Path] = ()
    closed: Sequence[Path] = ()  # never, though it may lie below something else


@dataclass(frozen=True, slots=True)
class Apart:
    """How to start a program so that it runs apart."""

    argv: Sequence[str]
    through: Sequence[str] = ()  # what has to stand before whatever starts `argv`
    environment: Mapping[str, str] = field(default_factory=dict)  # what differs for the other user
    wrapped: bool = False


def method(wish: str) -> str:
    """Return how agents run apart: `bubblewrap`, `user:<name>` or `none`. Raises IsolationError.

    `auto` is bubblewrap where it works, which is tried once in each process.
    """
    if wish == "auto":
        return "bubblewrap" if bubblewrap_problem() is None else "none"
    if wish == "bubblewrap" and (problem := bubblewrap_problem()):
        raise IsolationError(problem)
    if wish.startswith("user:") and (problem := user_problem(wish.removeprefix("user:"))):
        raise IsolationError(problem)
    return wish


@cache
def bubblewrap_problem() -> str | None:
    """Run a program by bubblewrap; return why that does not work, None when it does."""
    if not sys.platform.startswith("linux"):
        return "bubblewrap needs Linux"
    if shutil.which("bwrap", path=SYSTEM_PATH) is None:
        return "bubblewrap is not installed: apt install bubblewrap"
    command = apart_by_bubblewrap(["true"], Sight(Path("/tmp")), {}).argv  # noqa: S108 - it exists
    return _tried(command, "bubblewrap does not work here (does the system allow user namespaces?)")


@cache
def user_problem(name: str) -> str | None:
    """Run a program as the user; return why that does not work, None when it does."""
    try:
        uid = pwd.getpwnam(name).pw_uid
    except KeyError:
        return f"there is no user {name[:32]} to run agents as"
    if uid in {0, os.getuid()}:
        return f"the user {name[:32]} is no other user than the server's, or is root"
    advice = "" if os.getuid() == 0 else f": allow it in sudoers, for example `mission ALL=({name}) NOPASSWD: ALL`"
    return _tried([*_through(name), PYTHON, "-c", ""], f"programs cannot be run as {name[:32]}{advice}")


def folder_problem(how: str, folder: Path) -> str | None:
    """Return why a program could not work in the folder when it runs apart like that, None when it could."""
    if not how.startswith("user:"):
        return None  # it is the server's own user, whose folder it is
    name = how.removeprefix("user:")
    look = "import os, sys; sys.exit(not os.access(sys.argv[1], os.R_OK | os.W_OK | os.X_OK))"
    advice = "see `setfacl` in docs/backends/command.md"
    failure = (
        f"the user {name[:32]} cannot work in the folders of the projects, which are closed to others: {advice}"
    )
    return _tried([*_through(name), PYTHON, "-c", look, str(folder)], failure)


def _tried(command: Sequence[str], failure: str) -> str | None:
    try:
        ran = subprocess.run(  # noqa: S603 - our own words
            command,
            env={"PATH": SYSTEM_PATH},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TRY_SECONDS,
            cwd="/",
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return failure
    return failure if ran.returncode else None


def apart(how: str, argv: Sequence[str], sight: Sight, environment: Mapping[str, str]) -> Apart:
    """Return how to start the program by the given method, one of those that `method` returns."""
    if how == "bubblewrap":
        return apart_by_bubblewrap(argv, sight, environment)
    if how.startswith("user:"):
        user = pwd.getpwnam(how.removeprefix("user:"))
        own = {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}
        return Apart(argv, through=_through(user.pw_name), environment=own)
    return Apart(argv)


def _through(name: str) -> list[str]:
    """Return what makes a command line the user's: as root it is simply done, else sudo is asked."""
    if os.getuid() == 0:
        return ["setpriv", "--reuid", name, "--regid", str(pwd.getpwnam(name).pw_gid), "--init-groups", "--"]
    return ["sudo", "-n", "-u", name, "--"]


def apart_by_bubblewrap(argv: Sequence[str], sight: Sight, environment: Mapping[str, str]) -> Apart:
    """Wrap the program into namespaces of its own; the network is shared, for agents ask their providers."""
    home = Path(environment.get("HOME", "/nonexistent"))
    options = ["--unshare-user-try", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    options += ["--die-with-parent", "--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev"]
    for words in sorted(_mounts(sight, home), key=lambda words: len(Path(words[-1]).parts)):
        options += words
    options += ["--bind", str(sight.workdir), str(sight.workdir), "--chdir", str(sight.workdir)]
    return Apart([shutil.which("bwrap", path=SYSTEM_PATH) or "bwrap", *options, "--", *argv], wrapped=True)


def _mounts(sight: Sight, home: Path) -> Iterable[list[str]]:
    """Yield the options, each ending in a place; who comes deeper comes later, and so is on top."""
    closed = [path.resolve() for path in sight.closed]
    yield from _system()
    for place in {"/tmp", "/run", "/var/tmp", str(home)} - {"/"}:  # noqa: S108 - empty ones of its own
        yield ["--tmpfs", place]
    if resolver := _resolver():
        yield ["--ro-bind", str(resolver), str(resolver)]
    for kind, paths in (("--ro-bind", sight.readable), ("--bind", sight.writable)):
        for path in paths:
            if path.exists() and path.resolve() not in closed:
                yield [kind, str(path), str(path)]
    for path in closed:
        if any(path.is_relative_to(shown) for shown in (*map(Path, SYSTEM), *sight.readable, *sight.writable)):
            yield ["--tmpfs", str(path)] if path.is_dir() else ["--ro-bind", os.devnull, str(path)]


def _system() -> Iterable[list[str]]:
    for name in SYSTEM:
        path = Path(name)
        if path.is_symlink():
            yield ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            yield ["--ro-bind", name, name]
    for name in CONFIGURATION:
        path = Path("/etc", name)
        if path.exists():
            yield ["--ro-bind", str(path), str(path)]


def _resolver() -> Path | None:
    """Return the file that /etc/resolv.conf is a link to below /run, as it is with systemd."""
    path = Path("/etc/resolv.conf").resolve()
    return path if path.is_relative_to("/run") and path.exists() else None


def files_of(program: str, *, home: Path) -> list[Path]:
    """Return what a program's own files are: the folder it is found in, and the one that its link leads to.

    For one that npm has installed that is the whole `node_modules`, in which its dependencies are. From a folder
    that the home lies in, or is, it is the program alone.
    """
    found = Path(program).parent
    real = Path(program).resolve()
    packages = next((parent for parent in real.parents if parent.name == "node_modules"), real.parent)
    own = {found: Path(program), packages: real}
    return [
        file if home.is_relative_to(folder) else folder for folder, file in own.items() if not _is_shown(folder)
    ]


def _is_shown(folder: Path) -> bool:
    return any(folder.is_relative_to(name) for name in SYSTEM)
