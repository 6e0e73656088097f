"""Who calls: the holder of an access token."""

from django.contrib.auth.models import User
from django.utils import timezone
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

from mission_control.models import AccessToken


class BearerAuthentication(TokenAuthentication):
    """A token in the Authorization header. Bytes that spell no token are a wrong token."""

    def authenticate_credentials(self, token: bytes) -> tuple[User, AccessToken]:
        if not token.isalnum():  # of bytes: ASCII only
            raise AuthenticationFailed("Invalid token.")
        user, found = super().authenticate_credentials(token)
        return user, found

    def _cleanup_token(self, auth_token: AccessToken) -> bool:
        """Tell whether the token has expired.

        knox would also read all the user's tokens at each request, and delete the expired; here they stay in the
        list until their owner revokes them, so that it can be seen why a client is refused.
        """
        return auth_token.expiry is not None and auth_token.expiry < timezone.now()
