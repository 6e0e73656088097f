"""The first user and token, in a data folder of the test's own."""

import stat

import pytest
from django.contrib.auth import get_user_model

from mission_control.models import AccessToken
from pocketpaw_site.supervisor.access import prepare_login, prepare_token

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    return tmp_path


def test_first_login_is_a_superuser_with_the_kept_password(data_dir):
    login = prepare_login()
    password = (data_dir / "admin_password").read_text().strip()
    user = get_user_model().objects.get()
    assert user.is_superuser
    assert user.check_password(password)
    assert password in str(login)


def test_later_login_says_where_the_password_lies_and_not_what_it_is(data_dir):
    prepare_login()
    password = (data_dir / "admin_password").read_text().strip()
    assert str(data_dir / "admin_password") in str(prepare_login())
    assert password not in str(prepare_login())


def test_changed_password_is_not_claimed_to_be_kept(data_dir):
    prepare_login()
    user = get_user_model().objects.get()
    user.set_password("another one")
    user.save()
    assert str(data_dir / "admin_password") not in str(prepare_login())


def test_valid_token_is_kept():
    prepare_login()
    token = prepare_token().read_text()
    assert prepare_token().read_text() == token


@pytest.mark.parametrize("loss", ["deleted", "revoked", "broken", "deactivated"])
def test_token_that_is_lost_is_made_anew(data_dir, loss):
    prepare_login()
    path = prepare_token()
    token = path.read_text()
    if loss == "deleted":
        path.unlink()
    elif loss == "revoked":
        AccessToken.objects.all().delete()
    elif loss == "broken":
        path.write_bytes(b"\xff\x00 nothing")
    else:
        get_user_model().objects.update(is_active=False)
        get_user_model().objects.create_superuser("another", password="secret of another")
    made = prepare_token().read_text()
    assert made != token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert prepare_token().read_text() == made


def test_token_open_to_others_is_closed(data_dir):
    prepare_login()
    prepare_token().chmod(0o644)
    assert stat.S_IMODE(prepare_token().stat().st_mode) == 0o600


def test_without_an_active_superuser_there_is_no_token_and_the_login_says_so():
    prepare_login()
    get_user_model().objects.update(is_active=False)
    assert prepare_token() is None
    assert "createsuperuser" in str(prepare_login())
