"""Encrypt keys for the database, with Fernet and a key derived from `SECRET_KEY` by HKDF.

Every process of an installation has the same `SECRET_KEY`, so all its machines can read them. An old key in
`SECRET_KEY_FALLBACKS` still opens what it has sealed.
"""

from base64 import urlsafe_b64encode
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

PURPOSE = b"mission-control: keys of providers, version 1"


def seal(name: str, value: str) -> str:
    """Return the encrypted value. It can be opened only under the same name."""
    return _fernet().encrypt(f"{name}\0{value}".encode()).decode()


def unseal(name: str, sealed: str) -> str | None:
    """Return the value that was sealed under this name; None if it cannot be read with the current keys."""
    try:
        found, _, value = _fernet().decrypt(sealed.encode()).decode().partition("\0")
    except (InvalidToken, UnicodeError):
        return None
    return value if found == name else None


def _fernet() -> MultiFernet:
    return MultiFernet([_key_from(secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


@lru_cache(maxsize=8)
def _key_from(secret: str) -> Fernet:
    derived = HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(secret.encode())
    return Fernet(urlsafe_b64encode(derived))
