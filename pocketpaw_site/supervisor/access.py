"""The first user and the first token: made at the first start, kept in the data folder for its owner alone."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import check_password
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from knox.crypto import hash_token

from mission_control.models import AccessToken

USERNAME = "admin"


@dataclass(frozen=True)
class Login:
    """What is said about the login: the password itself on the very first start only."""

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


def prepare_login() -> Login:
    """Return the login, made with its password when there is no user at all. Call it in a transaction.

    The password is kept before the user is committed: a start that is cut short here begins anew.
    """
    users = get_user_model().objects
    password_file = settings.DATA_DIR / "admin_password"
    if users.exists():
        user = _superuser()
        return Login(user.get_username(), password_file, user.password) if user else Login("", password_file)
    password = secrets.token_urlsafe(12)
    users.create_superuser(USERNAME, password=password)
    write_private(password_file, password)
    return Login(USERNAME, password_file, first_password=password)


def prepare_token() -> Path | None:
    """Return the file with the first user's token, anew if it is gone or not valid; None without a superuser."""
    path = settings.DATA_DIR / "access_token"
    if path.is_file() and _is_valid(path.read_text(errors="replace").strip()):
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
    """Write the file whole or not at all, for its owner alone."""
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


def _is_valid(token: str) -> bool:
    unexpired = Q(expiry__isnull=True) | Q(expiry__gt=timezone.now())
    found = AccessToken.objects.filter(unexpired, digest=hash_token(token), user__is_active=True)
    return bool(found.exists())
