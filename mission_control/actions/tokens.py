"""Make access tokens, and find who holds one. Whoever does it (API, admin, command, socket) does it here."""

from datetime import timedelta

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from mission_control.compat.knox import digest_of
from mission_control.errors import Invalid
from mission_control.models import AccessToken

MOST_DAYS = 36_500


def create_token(
    user: User, *, name: str, days: int | None = None, asked_with: AccessToken | None = None
) -> tuple[AccessToken, str]:
    """Make a token that expires after so many days (None: never); return it and its text, which is kept nowhere.

    It ends with the token that it is asked for with, when that one is revoked, and may not be made to expire later
    (raises Invalid): who found that one would keep access for ever.
    """
    lasts = None if days is None else timedelta(days=days)
    latest = asked_with.expiry if asked_with else None
    if latest is not None and (lasts is None or timezone.now() + lasts > latest):
        raise Invalid("expires_in_days", "A token cannot create one that expires later than itself.")
    token, text = AccessToken.objects.create(user=user, expiry=lasts, name=name, parent=asked_with)
    return token, text


def revoke_all(user: User) -> int:
    """Revoke all tokens of the user; return how many there were."""
    number: int = AccessToken.objects.filter(user=user).delete()[1].get(AccessToken._meta.label, 0)
    return number


def valid_tokens() -> Q:
    """Return the condition for tokens that let their holder in."""
    unexpired = Q(expiry__isnull=True) | Q(expiry__gt=timezone.now())
    return unexpired & Q(user__is_active=True)


def token_of(text: str) -> AccessToken | None:
    """Return the valid token with its user; None for a text that is none, or of one expired or revoked."""
    if not (text.isascii() and text.replace("_", "").isalnum()):  # a NUL is an error to PostgreSQL
        return None
    found: AccessToken | None = (
        AccessToken.objects.filter(valid_tokens(), digest=digest_of(text)).select_related("user").first()
    )
    return found
