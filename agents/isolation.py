"""Isolate an agent's program from the server, and decide which files of this machine it sees.

With bubblewrap it sees the system's programs, the working folder and its own configuration, but no other process;
as another user it sees what that user may read. Without either it sees what the server sees.
"""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from agents.folders import exists, is_folder

TRY_SECONDS = 10
PYTHON = "python3"  # runs the guardian of another user, who may have no access to our interpreter
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
# Only the files of /etc that programs need: an operator's own files may contain keys.
CONFIGURATION = (
    *("alternatives", "ca-certificates", "ca-certificates.conf", "crypto-policies", "gai.conf", "gitconfig"),
    *("group", "host.conf", "hosts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "locale.conf", "localtime"),
    *("login.defs", "mime.types", "nsswitch.conf", "passwd", "pki", "profile", "protocols", "resolv.conf"),
    *("services", "ssl", "terminfo", "timezone"),
)
# The files of /proc that belong to no process are the kernel's. A program that runs as root could write most of
# them even without any capability, and some reveal data of the whole machine.
KERNEL = Path("/proc")
HIDDEN_KERNEL_FILES = (
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
# Opens files that control the kernel, without writing. Exits with 3 if the kernel allowed it.
PROBE = """
for file in /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sysrq-trigger; do
  (: >> "$file") 2>/dev/null && exit 3
done
exit 0
"""
KERNEL_IS_WRITABLE = 3
COPIES = "/run/copies"  # in the sandbox
CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
# Settings of the kernel that forbid user namespaces: file → its value that does, and the reason with advice.
NAMESPACE_SETTINGS = {
    "/proc/sys/kernel/unprivileged_userns_clone": (
        "0",
        "the system forbids user namespaces: set kernel.unprivileged_userns_clone=1 with sysctl",
    ),
    "/proc/sys/user/max_user_namespaces": (
        "0",
        "the system forbids user namespaces: set user.max_user_namespaces with sysctl",
    ),
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": (
        "1",
        "AppArmor forbids user namespaces: set kernel.apparmor_restrict_unprivileged_userns=0 with sysctl",
    ),
}


class IsolationError(Exception):
    """Agents cannot be isolated as the operator requested. The message is for users."""


@dataclass(frozen=True, slots=True)
class Mounts:
    """The files and resources of a program besides the system: its folder, what it may read, what it may write."""

    workdir: Path
    scratch: Sequence[Path] = ()  # empty folders of its own, in place of those that the machine has
    readable: Sequence[Path] = ()
    copied: Sequence[Path] = ()  # copies of its own, which are deleted after the run
    writable: Sequence[Path] = ()
    kept: Sequence[tuple[Path, Path]] = ()  # (a folder, the path at which the program sees it), writable
    closed: Sequence[Path] = ()  # never visible, even below a visible folder
    network: bool = True
    threads: int = 0  # the most threads at once; 0 for no limit; does not apply to root
    scratch_bytes: int = 0  # the size of each in-memory folder, such as /tmp; 0 for no limit


@dataclass(frozen=True, slots=True)
class Sandbox:
    """How to start a program so that it is isolated."""

    argv: Sequence[str]
    command_prefix: Sequence[str] = ()  # precedes the command that starts `argv`
    environment: Mapping[str, str] = field(default_factory=dict)  # variables with another value for the other user
    is_wrapped: bool = False


def method(setting: str) -> str:
    """Return how agents are isolated: `bubblewrap`, `user:<name>` or `none`. Raises IsolationError.

    `auto` is bubblewrap if it works, which each process tests once.
    """
    if setting == "auto":
        return "bubblewrap" if bubblewrap_problem() is None else "none"
    if setting == "bubblewrap" and (problem := bubblewrap_problem()):
        raise IsolationError(problem)
    if setting.startswith("user:") and (problem := user_problem(setting.removeprefix("user:"))):
        raise IsolationError(problem)
    return setting


@cache
def bubblewrap_problem() -> str | None:
    """Run a program with bubblewrap; return why that does not work, None if it does."""
    if not sys.platform.startswith("linux"):
        return "bubblewrap needs Linux"
    if shutil.which("bwrap", path=SYSTEM_PATH) is None:
        return "bubblewrap is not installed: apt install bubblewrap"
    command = bubblewrap_sandbox(["sh", "-c", PROBE], Mounts(Path("/tmp")), {}).argv  # noqa: S108 - it exists
    status = _exit_status(command)
    if status == KERNEL_IS_WRITABLE:
        return "bubblewrap does not protect the kernel's settings here: run the server as a user other than root"
    return f"bubblewrap does not work here ({namespace_problem()})" if status else None


def namespace_problem() -> str:
    """Return the likely reason why bubblewrap does not start here, with advice."""
    if any(Path(mark).exists() for mark in CONTAINER_MARKS):
        return (
            "this container does not allow user namespaces: start it with `--security-opt seccomp=unconfined "
            "--security-opt apparmor=unconfined`, or set MISSION_CONTROL_AGENT_ISOLATION=user:<name>"
        )
    for name, (forbidding, reason) in NAMESPACE_SETTINGS.items():
        with suppress(OSError):
            if Path(name).read_text().strip() == forbidding:
                return reason
    return "does the system allow user namespaces?"


@cache
def user_problem(name: str) -> str | None:
    """Run a program as the user; return why that does not work, None if it does."""
    try:
        uid = pwd.getpwnam(name).pw_uid
    except KeyError:
        return f"there is no user {name[:32]} to run agents as"
    if uid in {0, os.getuid()}:
        return f"the user {name[:32]} is the server's own user or root"
    advice = "" if os.getuid() == 0 else f": allow it in sudoers, for example `mission ALL=({name}) NOPASSWD: ALL`"
    return _problem_if_failing(
        [*_user_prefix(name), PYTHON, "-c", ""], f"programs cannot be run as {name[:32]}{advice}"
    )


def folder_problem(how: str, folder: Path) -> str | None:
    """Return why a program with this isolation could not work in the folder, None if it could."""
    if not how.startswith("user:"):
        return None  # the program runs as the server's user, who owns the folder
    name = how.removeprefix("user:")
    check_access = "import os, sys; sys.exit(not os.access(sys.argv[1], os.R_OK | os.W_OK | os.X_OK))"
    advice = "see `setfacl` in docs/backends/command.md"
    failure = (
        f"the user {name[:32]} cannot work in the folders of the projects, which are closed to others: {advice}"
    )
    return _problem_if_failing([*_user_prefix(name), PYTHON, "-c", check_access, str(folder)], failure)


def warnings(setting: str) -> list[str]:
    """Return warnings for the operator about the isolation of agents' programs, as sentences."""
    found = []
    if setting == "auto" and (problem := bubblewrap_problem()):
        found.append(
            "Agents' programs are not isolated: they run as the server's own user, and can read its token, its "
            f"database and its environment ({problem})"
        )
    if setting == "none":
        found.append(
            "Agents' programs are not isolated, as MISSION_CONTROL_AGENT_ISOLATION=none says: they run as the "
            "server's own user, and can read its token, its database and its environment"
        )
    if os.getuid() == 0 and not setting.startswith("user:"):
        found.append(
            "The server runs as root, and so do agents' programs: run it as an ordinary user, or set "
            "MISSION_CONTROL_AGENT_ISOLATION=user:<name>"
        )
    return found


def _problem_if_failing(command: Sequence[str], failure: str) -> str | None:
    return failure if _exit_status(command) else None


def _exit_status(command: Sequence[str]) -> int:
    """Run the command without our environment; return its exit status, or 1 if it does not start or end."""
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


def sandbox(how: str, argv: Sequence[str], mounts: Mounts, environment: Mapping[str, str]) -> Sandbox:
    """Return how to start the program with the isolation `how`, one of the values of `method`."""
    if how == "bubblewrap":
        return bubblewrap_sandbox(argv, mounts, environment)
    if how.startswith("user:"):
        user = pwd.getpwnam(how.removeprefix("user:"))
        own = {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}
        return Sandbox(argv, command_prefix=_user_prefix(user.pw_name), environment=own)
    return Sandbox(argv)


def _user_prefix(name: str) -> list[str]:
    """Return the prefix that runs a command as the user: setpriv if we are root, otherwise sudo."""
    if os.getuid() == 0:
        return ["setpriv", "--reuid", name, "--regid", str(pwd.getpwnam(name).pw_gid), "--init-groups", "--"]
    return ["sudo", "-n", "-u", name, "--"]


def bubblewrap_sandbox(argv: Sequence[str], mounts: Mounts, environment: Mapping[str, str]) -> Sandbox:
    """Wrap the program into namespaces of its own; it shares the network if `mounts.network` is set."""
    home = Path(environment.get("HOME", "/nonexistent"))
    options = ["--unshare-user-try", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    options += [] if mounts.network else ["--unshare-net"]
    options += ["--die-with-parent", "--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev"]
    for words in _kernel_mounts():
        options += words
    for words in sorted(_mount_options(mounts, home), key=lambda words: len(Path(words[-1]).parts)):
        options += words
    options += ["--bind", str(mounts.workdir), str(mounts.workdir), "--chdir", str(mounts.workdir)]
    copies = [path for path in mounts.copied if exists(path) and not _is_closed(path, mounts)]
    for number, path in enumerate(copies):
        options += ["--ro-bind", str(path), f"{COPIES}/{number}"]
    # Both are in memory without a size limit.
    options += ["--remount-ro", "/dev", "--remount-ro", "/"]
    return Sandbox(
        [_bubblewrap(), *options, "--", *_thread_limit(mounts), *_copy_command(copies), *argv], is_wrapped=True
    )


def _thread_limit(mounts: Mounts) -> list[str]:
    """Return a command prefix that limits the program's threads; in the sandbox its user has no others."""
    prlimit = shutil.which("prlimit", path="/usr/bin:/bin")
    return [prlimit, f"--nproc={mounts.threads}:{mounts.threads}", "--"] if prlimit and mounts.threads else []


def _copy_command(paths: Sequence[Path]) -> list[str]:
    """Return a command prefix that copies the files to their paths and then executes the program."""
    if not paths:
        return []
    lines = [f'cp -R {COPIES}/{number} "${number + 1}"' for number in range(len(paths))]
    script = "; ".join([*lines, f"shift {len(paths)}", 'exec "$@"'])
    return ["/bin/sh", "-c", script, "sh", *map(str, paths)]


def _is_closed(path: Path, mounts: Mounts) -> bool:
    return any(path.resolve().is_relative_to(closed.resolve()) for closed in mounts.closed)


def _bubblewrap() -> str:
    return shutil.which("bwrap", path=SYSTEM_PATH) or "bwrap"


def _kernel_mounts() -> Iterable[list[str]]:
    """Yield mounts over the kernel's files: read-only, or empty for those that reveal data of the whole machine.

    bubblewrap itself covers a few of them, but only if it may write the folder, which root may not either.
    """
    for path in sorted(KERNEL.iterdir()):
        if path.name.isdigit() or path.is_symlink():
            continue
        if path.name in HIDDEN_KERNEL_FILES:
            yield ["--ro-bind", os.devnull, str(path)]
        elif path.is_dir() or path.stat().st_mode & 0o222:
            yield ["--ro-bind", str(path), str(path)]


@cache
def _sizes_are_known() -> bool:
    """Return whether this bubblewrap can limit the size of in-memory folders (since 0.7)."""
    try:
        helped = subprocess.run([_bubblewrap(), "--help"], capture_output=True, timeout=TRY_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return b"--size" in helped.stdout + helped.stderr


def _mount_options(mounts: Mounts, home: Path) -> Iterable[list[str]]:
    """Yield the mount options, each with its mount point last. The caller mounts deeper paths later, on top."""
    closed = {path.resolve() for path in mounts.closed if exists(path)}
    yield from _system_mounts()
    size = ["--size", str(mounts.scratch_bytes)] if mounts.scratch_bytes and _sizes_are_known() else []
    own = {"/tmp", "/run", "/var/tmp", "/dev/shm", str(home)} - {"/"}  # noqa: S108 - empty ones of its own
    empty = own | {str(path) for path in mounts.scratch if is_folder(path) and path.resolve() not in closed}
    for place in empty:
        yield [*size, "--tmpfs", place]
    if resolver := _resolver():
        yield ["--ro-bind", str(resolver), str(resolver)]
    readable = [path for path in mounts.readable if exists(path) and path.resolve() not in closed]
    writable = [path for path in mounts.writable if exists(path) and path.resolve() not in closed]
    for path in readable:
        if not _is_inside(path, readable, empty):
            yield ["--ro-bind", str(path), str(path)]
    for path in writable:
        yield ["--bind", str(path), str(path)]
    yield from (["--bind", str(folder), str(place)] for folder, place in mounts.kept if is_folder(folder))
    private = {Path(name) for name in PRIVATE if Path(name).is_dir()}
    for path in _closed_places({*closed, *private}, [*_visible_paths(), *readable, *writable]):
        yield [*size, "--tmpfs", str(path)] if path.is_dir() else ["--ro-bind", os.devnull, str(path)]


def _is_inside(path: Path, shown: Sequence[Path], empty: Iterable[str]) -> bool:
    """Return whether the path lies inside one that is shown as a whole, and so needs no mount of its own.

    It may lie behind a link in there, on which nothing can be mounted.
    """
    if _is_system_path(path):
        return True
    for parent in path.parents:
        if parent in shown:
            return True
        if str(parent) in empty:
            return False
    return False


def _closed_places(closed: Iterable[Path], shown: Iterable[Path]) -> Iterator[Path]:
    """Yield where closed paths would be visible: below a shown path, or below what a shown link leads to."""
    for place in dict.fromkeys(shown):
        real = place.resolve()
        for path in closed:
            if path != real and path.is_relative_to(real):
                yield place / path.relative_to(real)


def _visible_paths() -> Iterable[Path]:
    """Yield the paths of the system that every program sees."""
    yield from map(Path, SYSTEM)
    yield from (Path("/etc", name) for name in CONFIGURATION)


def _system_mounts() -> Iterable[list[str]]:
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
    """Return the file below /run to which /etc/resolv.conf is a link, as with systemd; None if it is not."""
    path = Path("/etc/resolv.conf").resolve()
    return path if path.is_relative_to("/run") and path.exists() else None


def files_of(program: str, *, home: Path) -> list[Path]:
    """Return a program's own files: the folder in which it was found, and the folder of its link's target.

    For a program installed by npm that is the whole `node_modules`, which has its dependencies. For a folder that
    is or contains the home folder, only the program itself is returned.
    """
    found = Path(program).parent
    real = Path(program).resolve()
    packages = next((parent for parent in real.parents if parent.name == "node_modules"), real.parent)
    own = {found: Path(program), packages: real}
    return [
        file if home.is_relative_to(folder) else folder
        for folder, file in own.items()
        if not _is_system_path(folder)
    ]


def _is_system_path(folder: Path) -> bool:
    return any(folder.is_relative_to(name) for name in SYSTEM)
