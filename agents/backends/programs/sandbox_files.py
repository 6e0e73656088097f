"""What the sandbox shows besides a program's own files: toolchains, the operator's paths, caches."""

import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from environs import ValidationError

from agents import folders
from agents.backends.programs.allowed import Definition, SandboxPath, allowed
from agents.backends.programs.places import home_of, places
from agents.redaction import redact_secrets
from agents.toolchains import cache_variables, find_tools, secrets_of

_DELETED = ".deleted-"
GIT_CONFIG = "~/.gitconfig"
# What a Git configuration may contain of a login.
_GIT_LOGIN = re.compile(r"(?i)extraheader|password|token|://[^/\s]*@")
_GIT_CONFIG_BYTES = 256_000
# Folders that are visible anyway, or that make too much visible.
_TOO_MUCH = tuple(
    Path("/", name)
    for name in (
        *("", "usr", "bin", "sbin", "lib", "lib64", "etc", "proc", "sys", "dev", "run", "boot"),
        *("home", "root", "var", "var/lib", "mnt", "media", "srv", "tmp"),
    )
)


@dataclass(frozen=True, slots=True)
class SandboxFiles:
    """The variables and paths that are added to a program's own."""

    variables: Mapping[str, str] = field(default_factory=dict)
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    closed: tuple[Path, ...] = ()


def sandbox_files(definition: Definition, workdir: Path, environment: Mapping[str, str]) -> SandboxFiles:
    """Return what the sandbox of a program adds. Creates the folder of the project's caches.

    Paths that the program's definition names stay visible, even if they hold a login.
    """
    home, server = home_of(environment), {**os.environ, **environment}
    tools, extra = find_tools(home, server), allowed().sandbox_paths
    named = {*places(environment, *definition.readable, *definition.writable, *definition.copied)}
    cache = _cache_of(workdir)
    variables = {
        **tools.variables,
        **(cache_variables(cache, server) if cache else {}),
        **environment,
        "PATH": _path(environment.get("PATH", ""), tools.programs),
    }
    return SandboxFiles(
        variables=variables,
        readable=(*tools.readable, *_git_config(environment), *(one.path for one in extra if not one.is_writable)),
        writable=(*([cache] if cache else []), *(one.path for one in extra if one.is_writable)),
        closed=tuple(path for path in secrets_of(home, server) if path not in named),
    )


def cache_folder(root: Path, project: str) -> Path:
    """Return the folder of a project's caches, which need not exist; `project` is the name of its folder."""
    return root / project


def delete_cache(root: Path, project: str) -> None:
    """Delete the caches of a project, and what an interrupted call left. May take seconds; raises nothing."""
    with suppress(OSError):
        cache_folder(root, project).rename(root / f"{_DELETED}{secrets.token_hex(8)}")
    for folder in root.glob(f"{_DELETED}*"):
        for place, names, _ in os.walk(folder):  # Go makes the folders of its modules read-only
            for path in (Path(place, name) for name in names):
                with suppress(OSError):
                    if not path.is_symlink():
                        path.chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)


def _cache_of(workdir: Path) -> Path | None:
    """Return the folder of caches of the project with this working folder; create it. None for other folders."""
    given = allowed()
    if given.caches is None or given.projects is None or workdir.parent != given.projects:
        return None
    folder = cache_folder(given.caches, workdir.name)
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder if folder.is_dir() else None


def _path(path: str, programs: Iterable[Path]) -> str:
    """Return PATH with the toolchains at its end, so that the order of the server's own stays."""
    own = [folder for folder in path.split(os.pathsep) if folder]
    return os.pathsep.join([*own, *(str(folder) for folder in programs if str(folder) not in own)])


def _git_config(environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield the Git configuration if it contains no login."""
    for path in places(environment, GIT_CONFIG):
        try:
            text = folders.read_file(path, _GIT_CONFIG_BYTES).decode(errors="replace")
        except OSError:
            continue
        if not _GIT_LOGIN.search(text) and redact_secrets(text) == text:
            yield path


# ---------------------------------------------------------------- the setting
def sandbox_paths(text: str, *, closed: Iterable[Path] = (), **_: object) -> tuple[SandboxPath, ...]:
    """Parse the setting: paths separated by commas, each with `:ro` or `:rw` at its end. Raises ValidationError.

    `closed` are the folders of Mission Control, which no agent may see.
    """
    found = []
    for part in text.split(","):
        if not (entry := part.strip()):
            continue
        is_writable = entry.endswith(":rw")
        name = entry.removesuffix(":rw").removesuffix(":ro")
        found.append(SandboxPath(_shown_path(name, closed), is_writable))
    return tuple(found)


def skills_folder(text: str, **_: object) -> Path | None:
    """Parse the setting of the operator's folder of skills, which all agents see. Raises ValidationError."""
    if not (name := text.strip()):
        return None
    folder = _shown_path(name, closed=())
    if not folder.is_dir():
        raise ValidationError(f"`{name[:200]}` is not a folder.")
    return folder


def _shown_path(name: str, closed: Iterable[Path]) -> Path:
    path = Path(name).expanduser() if name.startswith("~/") else Path(name)
    if problem := _problem_of(path, closed):
        raise ValidationError(f"`{name[:200]}` {problem}.")
    return path


def _problem_of(path: Path, closed: Iterable[Path]) -> str:
    if not path.is_absolute() or ".." in path.parts:
        return "must start with / or ~/ and not contain `..`"
    try:
        path.stat()
    except FileNotFoundError:
        return "does not exist"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    real, home = path.resolve(), Path.home().resolve()
    if real in _TOO_MUCH or home.is_relative_to(real):
        return "is too much to show to agents: name the folders in it that they need"
    if any(one.resolve().is_relative_to(real) or real.is_relative_to(one.resolve()) for one in closed):
        return "contains, or belongs to, files of Mission Control, which no agent may see"
    if any(real.is_relative_to(secret.resolve()) for secret in secrets_of(Path.home(), os.environ)):
        return "holds logins or keys, which no agent may see"
    return ""
