"""How an agent's program is kept apart from the server, and what it sees of this machine.

By bubblewrap it sees the system's programs, the working folder and its own configuration, and no other process; as
another user whatever that user may. Without either it sees what the server sees.
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
# What /proc holds besides processes is the kernel's own. A program that runs as root could write most of it even
# without any capability, and some of it tells of the whole machine.
KERNEL = Path("/proc")
KERNEL_SECRETS = (
    "kcore",
    "keys",
    "kmsg",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "sched_debug",
    "timer_list",
)
# Keys of the machine within CONFIGURATION, which only root could read.
PRIVATE = ("/etc/ssl/private", "/etc/pki/tls/private", "/etc/pki/private")
# Opens what would change the kernel, and writes nothing. Ends with 3 when the kernel let it.
PROBE = """
for file in /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sysrq-trigger; do
  (: >> "$file") 2>/dev/null && exit 3
done
exit 0
"""
PROBE_FOUND_IT_OPEN = 3
COPIES = "/run/copies"  # in the sandbox


class IsolationError(Exception):
    """Agents cannot run apart as the operator asked for. The message is for people."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a program may see besides the system: its own folder, what it may read, what it may write."""

    workdir: Path
    scratch: Sequence[Path] = ()  # folders of its own that begin empty, where the machine has them
    readable: Sequence[Path] = ()
    copied: Sequence[Path] = ()  # its own copies, which go with the run
    writable: Sequence[Path] = ()
    closed: Sequence[Path] = ()  # never, though it may lie below something else
    network: bool = True
    threads: int = 0  # how many there may be at once; 0 is no limit, and root has none
    scratch_bytes: int = 0  # the size of each folder that lies in memory, such as /tmp; 0 is no limit


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
    command = apart_by_bubblewrap(["sh", "-c", PROBE], Sight(Path("/tmp")), {}).argv  # noqa: S108 - it exists
    status = _exit_status(command)
    if status == PROBE_FOUND_IT_OPEN:
        return "bubblewrap does not protect the kernel's settings here: run the server as a user other than root"
    return "bubblewrap does not work here (does the system allow user namespaces?)" if status else None


@cache
def user_problem(name: str) -> str | None:
    """Run a program as the user; return why that does not work, None when it does."""
    try:
        uid = pwd.getpwnam(name).pw_uid
    except KeyError:
        return f"there is no user {name[:32]} to run agents as"
    if uid in {0, os.getuid()}:
        return f"the user {name[:32]} is the server's own user or root"
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


def warnings(wish: str) -> list[str]:
    """Return what an operator should know of how agents' programs are isolated here, in sentences."""
    found = []
    if wish == "auto" and (problem := bubblewrap_problem()):
        found.append(
            "Agents' programs are not isolated: they run as the server's own user, and can read its token, its "
            f"database and its environment ({problem})"
        )
    if wish == "none":
        found.append(
            "Agents' programs are not isolated, as MISSION_CONTROL_AGENT_ISOLATION=none says: they run as the "
            "server's own user, and can read its token, its database and its environment"
        )
    if os.getuid() == 0 and not wish.startswith("user:"):
        found.append(
            "The server runs as root, and so do agents' programs: run it as an ordinary user, or set "
            "MISSION_CONTROL_AGENT_ISOLATION=user:<name>"
        )
    return found


def _tried(command: Sequence[str], failure: str) -> str | None:
    return failure if _exit_status(command) else None


def _exit_status(command: Sequence[str]) -> int:
    """Run it with nothing of ours; return its exit status, and 1 when it does not start or end."""
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
        return 1
    return ran.returncode


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
    """Wrap the program into namespaces of its own; the network is shared unless `sight` says otherwise."""
    home = Path(environment.get("HOME", "/nonexistent"))
    options = ["--unshare-user-try", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    options += [] if sight.network else ["--unshare-net"]
    options += ["--die-with-parent", "--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev"]
    for words in _kernel():
        options += words
    for words in sorted(_mounts(sight, home), key=lambda words: len(Path(words[-1]).parts)):
        options += words
    options += ["--bind", str(sight.workdir), str(sight.workdir), "--chdir", str(sight.workdir)]
    copies = [path for path in sight.copied if path.exists() and not _is_closed(path, sight)]
    for number, path in enumerate(copies):
        options += ["--ro-bind", str(path), f"{COPIES}/{number}"]
    # Both lie in memory, without a size.
    options += ["--remount-ro", "/dev", "--remount-ro", "/"]
    return Apart([_bubblewrap(), *options, "--", *_bounded(sight), *_copying(copies), *argv], wrapped=True)


def _bounded(sight: Sight) -> list[str]:
    """Return what bounds the threads of the program that follows; within the sandbox its user has no others."""
    prlimit = shutil.which("prlimit", path="/usr/bin:/bin")
    return [prlimit, f"--nproc={sight.threads}:{sight.threads}", "--"] if prlimit and sight.threads else []


def _copying(paths: Sequence[Path]) -> list[str]:
    """Return what copies the files to their places before it becomes the program that follows."""
    if not paths:
        return []
    lines = [f'cp -R {COPIES}/{number} "${number + 1}"' for number in range(len(paths))]
    script = "; ".join([*lines, f"shift {len(paths)}", 'exec "$@"'])
    return ["/bin/sh", "-c", script, "sh", *map(str, paths)]


def _is_closed(path: Path, sight: Sight) -> bool:
    return any(path.resolve().is_relative_to(closed.resolve()) for closed in sight.closed)


def _bubblewrap() -> str:
    return shutil.which("bwrap", path=SYSTEM_PATH) or "bwrap"


def _kernel() -> Iterable[list[str]]:
    """Yield what covers the files of the kernel: read-only, or empty where they tell of the whole machine.

    bubblewrap itself covers a few of them, but only where it may write the folder, which root may not either.
    """
    for path in sorted(KERNEL.iterdir()):
        if path.name.isdigit() or path.is_symlink():
            continue
        if path.name in KERNEL_SECRETS:
            yield ["--ro-bind", os.devnull, str(path)]
        elif path.is_dir() or path.stat().st_mode & 0o222:
            yield ["--ro-bind", str(path), str(path)]


@cache
def _sizes_are_known() -> bool:
    """Return whether this bubblewrap can limit what lies in memory, as it can since 0.7."""
    try:
        told = subprocess.run([_bubblewrap(), "--help"], capture_output=True, timeout=TRY_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return b"--size" in told.stdout + told.stderr


def _mounts(sight: Sight, home: Path) -> Iterable[list[str]]:
    """Yield the options, each ending in a place; who comes deeper comes later, and so is on top."""
    closed = [path.resolve() for path in sight.closed]
    yield from _system()
    size = ["--size", str(sight.scratch_bytes)] if sight.scratch_bytes and _sizes_are_known() else []
    own = {"/tmp", "/run", "/var/tmp", "/dev/shm", str(home)} - {"/"}  # noqa: S108 - empty ones of its own
    for place in own | {str(path) for path in sight.scratch if path.is_dir() and path.resolve() not in closed}:
        yield [*size, "--tmpfs", place]
    if resolver := _resolver():
        yield ["--ro-bind", str(resolver), str(resolver)]
    for kind, paths in (("--ro-bind", sight.readable), ("--bind", sight.writable)):
        for path in paths:
            if path.exists() and path.resolve() not in closed:
                yield [kind, str(path), str(path)]
    for path in (*closed, *(Path(name) for name in PRIVATE if Path(name).is_dir())):
        if any(path.is_relative_to(shown) for shown in (*_shown(), *sight.readable, *sight.writable)):
            yield [*size, "--tmpfs", str(path)] if path.is_dir() else ["--ro-bind", os.devnull, str(path)]


def _shown() -> Iterable[Path]:
    """Yield what every program sees of the system."""
    yield from map(Path, SYSTEM)
    yield from (Path("/etc", name) for name in CONFIGURATION)


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
