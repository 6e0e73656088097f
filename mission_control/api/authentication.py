"""Authentication by access token."""

from django.contrib.auth.models import User
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

from mission_control.actions.tokens import token_of
from mission_control.models import AccessToken


class BearerAuthentication(TokenAuthentication):
    """Accepts a token in the Authorization header, by the same rule as WebSockets.

    knox's own method would read all of the user's tokens at each request and delete the expired ones. Here they
    stay in the list until their owner revokes them, so that the owner can see why a client is refused.
    """

    def authenticate_credentials(self, token: bytes) -> tuple[User, AccessToken]:
        found = token_of(token.decode("latin-1"))
        if found is None:
            raise AuthenticationFailed("Invalid token.")
        return found.user, found
