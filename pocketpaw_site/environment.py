"""Prepare what the settings need: the environment, the data folder, the secret key.

This module must not import Django's settings, because they import it.
"""

import json
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import StringIO
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any

from dotenv import load_dotenv
from environs import Env, EnvError, ValidationError

CHECKOUT = Path(__file__).resolve().parent.parent


class SetupError(Exception):
    """The product cannot start with this configuration; the message is one line for the operator."""


@contextmanager
def errors_as_one_line() -> Iterator[None]:
    """Turn a configuration error into one line on stderr and exit status 1, without a traceback."""
    from django.core.exceptions import ImproperlyConfigured

    try:
        yield
    except (SetupError, EnvError, ImproperlyConfigured) as error:
        sys.stderr.write(f"mission-control: {' '.join(str(error).split())}\n")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def read_environment() -> Env:
    """Load the settings file into the environment, and return the typed reader of the environment.

    The file is `.env` in the checkout; `MISSION_CONTROL_ENV_FILE` names another, or none if it is empty. The file
    is loaded into `os.environ` because backends, the SDKs of providers and redaction read that. A variable that is
    set already takes precedence over the file. Raises SetupError.
    """
    name = os.environ.get("MISSION_CONTROL_ENV_FILE")
    path = Path(name).absolute() if name else CHECKOUT / ".env"
    if name:
        os.environ["MISSION_CONTROL_ENV_FILE"] = str(path)  # absolute, for processes started in another folder
        if not path.is_file():
            raise SetupError(f"MISSION_CONTROL_ENV_FILE names a file that does not exist: {path}")
    if name != "" and path.exists():
        _load(path)
    env = Env()
    env.add_parser("names", names)
    return env


def _load(path: Path) -> None:
    """Set each variable of the file that is not set yet. Raises SetupError."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors start a file with a byte order mark
    except UnicodeDecodeError:
        raise SetupError(f"{path} is not UTF-8 text: save it in the encoding UTF-8") from None
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}") from None
    if "\0" in text:
        raise SetupError(f"{path} is not UTF-8 text (it looks like UTF-16): save it in the encoding UTF-8")
    load_dotenv(stream=StringIO(text), override=False)


def names(text: str, *, subcast: Callable[[str], Any] = str, **_: Any) -> list[Any]:
    """Parse a list separated by commas; ignore blanks around entries and empty entries."""
    return [subcast(entry) for part in text.split(",") if (entry := part.strip())]


def network(text: str) -> IPv4Network | IPv6Network:
    """Parse a network; a single address is a network, too. Raises ValidationError."""
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValidationError("This is neither an address nor a network.") from None


def server_address(text: str) -> str:
    """Check an address of the form host:port. Raises ValidationError."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}:[0-9]{1,5}", text):
        raise ValidationError("Each must be of the form host:port.")
    return text.lower()


def host(text: str) -> str:
    """Check a host or host:port. Raises ValidationError."""
    if re.search(r"[/@\s]", text):
        raise ValidationError(f"`{text[:200]}` must be a host or host:port, such as models.example.com.")
    return text.lower()


def named_class(text: str) -> tuple[str, str]:
    """Parse `name=dotted.path.Class` to the name and the path. Raises ValidationError."""
    name, _, path = (part.strip() for part in text.partition("="))
    if not (name and path):
        raise ValidationError(f"`{text[:200]}` must be of the form name=dotted.path.Class.")
    return name, path


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server with this host name or address."""
    host = host.strip("[]").lower()
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def prepare_data_dir(path: Path, *, folders: Iterable[str] = ()) -> Path:
    """Create the data folder with its subfolders, private to its owner, and return its resolved path.

    Raises SetupError with the reason if the folder cannot be created or written.
    """
    os.umask(0o077)  # all files that our processes create are private
    try:
        path.mkdir(parents=True, exist_ok=True)
        if path.stat().st_mode & 0o077 and path.stat().st_uid == os.getuid():
            path.chmod(0o700)
        for name in folders:
            (path / name).mkdir(exist_ok=True)
    except OSError as error:
        raise SetupError(f"the data folder {path} cannot be used: {error.strerror}") from None
    for place in (path, *(path / name for name in folders)):
        if not os.access(place, os.W_OK | os.X_OK):  # also detects a read-only file system for root
            raise SetupError(f"the data folder {path} cannot be written: {place.name} is read-only")
    return path.resolve()


def folder_identity(path: Path, *database: object) -> str:
    """Return an identity of this data folder and database that differs from every other, including their copies.

    A copied or restored folder has another path or inode, a cloned machine another machine id. A moved folder gets
    another identity, too, which only delays the detection of lost runs a little.
    """
    secret = stored_secret(path)
    try:
        machine = Path("/etc/machine-id").read_text().strip()
    except OSError:  # not on Linux, or in some containers
        machine = ""
    place = path.resolve()
    return json.dumps([secret, str(place), place.stat().st_ino, machine, *map(str, database)])


def stored_secret(path: Path) -> str:
    """Return the secret stored in the file; create it at the first call. Safe for concurrent processes."""
    try:
        if not path.exists():
            draft = path.with_name(f"{path.name}.{os.getpid()}")
            draft.write_text(secrets.token_urlsafe(50))
            try:
                os.link(draft, path)  # atomic; fails if another process was first
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise SetupError(f"the data folder {path.parent} cannot be used: {error.strerror}") from None
