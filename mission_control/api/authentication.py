from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed


class BearerAuthentication(TokenAuthentication):
    """A token in the Authorization header. Bytes that spell no token are a wrong token."""

    def authenticate_credentials(self, token: bytes):
        if not token.isalnum():  # of bytes: ASCII only
            raise AuthenticationFailed("Invalid token.")
        return super().authenticate_credentials(token)
