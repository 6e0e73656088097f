"""Who calls: the holder of an access token."""

from django.contrib.auth.models import User
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

from mission_control.actions.tokens import token_of
from mission_control.models import AccessToken


class BearerAuthentication(TokenAuthentication):
    """A token in the Authorization header, by the rule that holds for sockets too.

    knox's own would read all the user's tokens at each request and delete the expired; here they stay in the list
    until their owner revokes them, so that it can be seen why a client is refused.
    """

    def authenticate_credentials(self, token: bytes) -> tuple[User, AccessToken]:
        found = token_of(token.decode("latin-1"))
        if found is None:
            raise AuthenticationFailed("Invalid token.")
        return found.user, found
