"""Create, revoke and find access tokens, for the API, the admin, the command and the sockets."""

from datetime import timedelta

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from mission_control.compat.django_models import PreparedLookup
from mission_control.compat.knox import digest_of
from mission_control.errors import Invalid
from mission_control.models import AccessToken

MAX_DAYS = 36_500
BY_DIGEST = PreparedLookup(lambda: AccessToken.objects.select_related("user"), "digest")


def create_token(
    user: User, *, name: str, days: int | None = None, requested_with: AccessToken | None = None
) -> tuple[AccessToken, str]:
    """Create a token that expires after `days` (None: never); return it and its text, which is not stored.

    A token that is requested with another token is revoked with that one. Raises Invalid if it would expire later
    than that one: otherwise a stolen token would give access for ever.
    """
    lifetime = None if days is None else timedelta(days=days)
    latest = requested_with.expiry if requested_with else None
    if latest is not None and (lifetime is None or timezone.now() + lifetime > latest):
        raise Invalid("expires_in_days", "A token cannot create one that expires later than itself.")
    token, text = AccessToken.objects.create(user=user, expiry=lifetime, name=name, parent=requested_with)
    return token, text


def revoke_all(user: User) -> int:
    """Revoke all tokens of the user; return how many there were."""
    number: int = AccessToken.objects.filter(user=user).delete()[1].get(AccessToken._meta.label, 0)
    return number


def valid_tokens() -> Q:
    """Return the condition for valid tokens: not expired, and of an active user."""
    unexpired = Q(expiry__isnull=True) | Q(expiry__gt=timezone.now())
    return unexpired & Q(user__is_active=True)


def token_of(text: str) -> AccessToken | None:
    """Return the valid token with this text, with its user loaded; None for any other text."""
    if not (text.isascii() and text.replace("_", "").isalnum()):  # a NUL is an error to PostgreSQL
        return None
    token = BY_DIGEST.get(digest_of(text))
    return token if token is not None and _is_valid(token) else None


def _is_valid(token: AccessToken) -> bool:
    """Return whether `valid_tokens` would find the token, which was just read with its user."""
    unexpired: bool = token.expiry is None or token.expiry > timezone.now()
    return unexpired and token.user.is_active
