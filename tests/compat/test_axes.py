"""The interfaces of django-axes that `pocketpaw_site/authentication.py` overrides still exist."""

from axes.backends import AxesStandaloneBackend
from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt

from tests.compat.expect import changed, expect_attributes, expect_parameters

SEAM = "pocketpaw_site/authentication.py"


def test_the_handler_has_the_methods_that_ours_overrides():
    expect_parameters("django-axes", AxesDatabaseHandler.get_failures, ["self", "request", "credentials"], SEAM)
    expect_attributes("django-axes", AxesDatabaseHandler, ["get_user_attempts", "user_logged_in"], SEAM)
    expect_attributes("django-axes", AxesStandaloneBackend, ["authenticate"], SEAM)


def test_an_attempt_has_the_columns_that_are_read():
    columns = {field.name for field in AccessAttempt._meta.get_fields()}
    assert {"username", "ip_address", "failures_since_start"} <= columns, changed(
        "django-axes", SEAM, f"an attempt has the columns {columns}"
    )
