"""The first user and token, created at the first start and stored in private files of the data folder."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import check_password
from django.contrib.auth.models import User
from django.db import transaction

from mission_control.actions.tokens import token_of
from mission_control.models import AccessToken

USERNAME = "admin"


@dataclass(frozen=True)
class LoginInfo:
    """The text about the login at a start: it contains the password only at the very first one."""

    username: str
    password_file: Path
    password_hash: str = ""
    first_password: str = ""

    def __str__(self) -> str:
        if self.first_password:
            return f"{self.username}, password {self.first_password} (saved in {self.password_file})"
        if not self.username:
            return "no active superuser; create one with manage.py createsuperuser"
        if not self.password_file.is_file():
            return self.username
        kept = self.password_file.read_text(errors="replace").strip()
        if check_password(kept, self.password_hash):
            return f"{self.username}, password in {self.password_file}"
        return f"{self.username}, with the password you set"


def prepare_login() -> LoginInfo:
    """Return the login; create the first user and its password if there is no user. Call it in a transaction.

    The password is stored before the user is committed, so that a start that is interrupted here can be repeated.
    """
    users = get_user_model().objects
    password_file = settings.DATA_DIR / "admin_password"
    if users.exists():
        user = _superuser()
        return (
            LoginInfo(user.get_username(), password_file, user.password) if user else LoginInfo("", password_file)
        )
    password = secrets.token_urlsafe(12)
    users.create_superuser(USERNAME, password=password)
    write_private(password_file, password)
    return LoginInfo(USERNAME, password_file, first_password=password)


def prepare_token() -> Path | None:
    """Return the file with the first user's token; create a missing or invalid one. None without a superuser."""
    path = settings.DATA_DIR / "access_token"
    if path.is_file() and token_of(path.read_text(errors="replace").strip()) is not None:
        path.chmod(0o600)
        return path
    user = _superuser()
    if user is None:
        return None
    with transaction.atomic():
        _, token = AccessToken.objects.create(user=user, expiry=None, name="first token")
        write_private(path, token)
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file atomically, readable only by its owner."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _superuser() -> User | None:
    return get_user_model().objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
