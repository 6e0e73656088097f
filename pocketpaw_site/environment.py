"""What stands before the settings: the environment, the data folder, the secret key.

Nothing here may import Django's settings; the settings import this.
"""

import json
import os
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import StringIO
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from dotenv import load_dotenv
from environs import Env, EnvError, ValidationError

CHECKOUT = Path(__file__).resolve().parent.parent


class SetupError(Exception):
    """The product cannot start as it is set up; the message is one line for the person at the terminal."""


@contextmanager
def one_clear_line() -> Iterator[None]:
    """Turn a set-up error into one line on stderr and exit status 1, without a traceback."""
    from django.core.exceptions import ImproperlyConfigured

    try:
        yield
    except (SetupError, EnvError, ImproperlyConfigured) as error:
        sys.stderr.write(f"mission-control: {' '.join(str(error).split())}\n")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def read_environment() -> Env:
    """Put what the file of settings says into the environment, and return the typed reader of the environment.

    The file is `.env` in the checkout; `MISSION_CONTROL_ENV_FILE` names another, empty for none. It is put into
    `os.environ` because backends, the SDKs of providers and the redaction of output look there. A variable that
    is set already wins over the file. Raises SetupError.
    """
    name = os.environ.get("MISSION_CONTROL_ENV_FILE")
    path = Path(name).absolute() if name else CHECKOUT / ".env"
    if name:
        os.environ["MISSION_CONTROL_ENV_FILE"] = str(path)  # the same for processes started in another folder
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
        text = path.read_text(encoding="utf-8-sig")  # some editors begin a file with a byte order mark
    except UnicodeDecodeError:
        raise SetupError(f"{path} is not UTF-8 text: save it in the encoding UTF-8") from None
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}") from None
    if "\0" in text:
        raise SetupError(f"{path} is not UTF-8 text (it looks like UTF-16): save it in the encoding UTF-8")
    load_dotenv(stream=StringIO(text), override=False)


def names(text: str, *, subcast: Callable[[str], Any] = str, **_: Any) -> list[Any]:
    """Read a list with commas between its entries: blanks around an entry and empty entries do not count."""
    return [subcast(entry) for part in text.split(",") if (entry := part.strip())]


def network(text: str) -> IPv4Network | IPv6Network:
    """Return the network that the text names; one address is a network too. Raises ValidationError."""
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValidationError("This is neither an address nor a network.") from None


def prepare_data_dir(path: Path, *, folders: Iterable[str] = ()) -> Path:
    """Make the data folder with its own folders, closed to other users, and return it resolved.

    Raises SetupError, saying what is wrong with the folder, when it cannot be made or written.
    """
    os.umask(0o077)  # whatever any of our processes creates is its owner's alone
    try:
        path.mkdir(parents=True, exist_ok=True)
        if path.stat().st_mode & 0o077 and path.stat().st_uid == os.getuid():
            path.chmod(0o700)
        for name in folders:
            (path / name).mkdir(exist_ok=True)
    except OSError as error:
        raise SetupError(f"the data folder {path} cannot be used: {error.strerror}") from None
    for place in (path, *(path / name for name in folders)):
        if not os.access(place, os.W_OK | os.X_OK):  # also where root meets a read-only file system
            raise SetupError(f"the data folder {path} cannot be written: {place.name} is read-only")
    return path.resolve()


def folder_identity(path: Path, *database: object) -> str:
    """Return what tells this data folder, with this database, from every other and from copies of it.

    A copied or restored file has another path or inode, a cloned machine another machine id. A folder that is
    moved gets another identity too, which costs nothing but a little time to notice runs that were lost.
    """
    secret = kept_secret(path)
    try:
        machine = Path("/etc/machine-id").read_text().strip()
    except OSError:  # elsewhere than on Linux, and in some containers
        machine = ""
    place = path.resolve()
    return json.dumps([secret, str(place), place.stat().st_ino, machine, *map(str, database)])


def kept_secret(path: Path) -> str:
    """Return the secret kept in the file, made at the first call; safe when two processes call at once."""
    try:
        if not path.exists():
            draft = path.with_name(f"{path.name}.{os.getpid()}")
            draft.write_text(secrets.token_urlsafe(50))
            try:
                os.link(draft, path)  # atomic, and refuses when a rival was first
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise SetupError(f"the data folder {path.parent} cannot be used: {error.strerror}") from None
