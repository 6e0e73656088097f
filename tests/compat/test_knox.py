"""The interfaces of django-rest-knox that `compat/knox.py`, the token model and authentication use still exist."""

from knox.auth import TokenAuthentication
from knox.models import AbstractAuthToken

from mission_control.compat.knox import digest_of
from mission_control.models import AccessToken
from tests import make
from tests.compat.expect import changed, expect_parameters


def test_a_token_is_stored_under_the_digest_of_its_text(db):
    token, text = AccessToken.objects.create(user=make.user(), expiry=None)
    assert token.digest == digest_of(text), changed("django-rest-knox", "compat/knox.py", "it has another digest")


def test_authentication_has_the_method_that_ours_overrides():
    overridden = TokenAuthentication.authenticate_credentials
    expect_parameters("django-rest-knox", overridden, ["self", "token"], "api/authentication.py")


def test_a_token_has_the_columns_that_are_read():
    columns = {field.name for field in AbstractAuthToken._meta.get_fields()}
    assert {"digest", "expiry", "user", "created"} <= columns, changed(
        "django-rest-knox", "models/access.py", f"a token has the columns {columns}"
    )
