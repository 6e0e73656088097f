"""Access tokens: created by API, admin and command, shown once, revoked by their own user."""

import io
import json
import re
import uuid
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mission_control.models import AccessToken
from tests import make
from tests.api.answers import assert_names
from tests.api.conftest import Api


@pytest.fixture
def viewer(db):
    return Api(make.user(may=["mission_control.view_task"]))


def test_a_token_is_shown_when_it_is_made_lets_its_user_in_and_is_shown_never_again(viewer):
    answer = viewer.post("tokens", {"name": "laptop", "expires_in_days": 30})
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store, no-transform"
    made = answer.json()["token"]
    assert made.keys() == {"id", "name", "created_at", "expires_at", "expired", "value"}
    assert (made["name"], made["expired"]) == ("laptop", False)
    stored = AccessToken.objects.get(uid=made["id"])
    assert abs(stored.expiry - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)

    assert Api(viewer.user, token=made["value"]).get("tasks").status_code == 200
    for path in ("tokens", f"tokens/{made['id']}"):
        text = viewer.get(path).content.decode()
        assert made["id"] in text
        assert made["value"] not in text and stored.digest not in text


def test_a_token_without_days_never_expires(api):
    assert api.made("tokens", name="for ever")["expires_at"] is None
    assert api.made("tokens", name="for ever", expires_in_days=None)["expires_at"] is None


@pytest.mark.parametrize("days", [0, -1, 36_501, 10**12, "7", 1.5, True, [], {}])
def test_a_number_of_days_out_of_range_is_refused(api, days):
    assert_names(api.post("tokens", {"name": "x", "expires_in_days": days}), "expires_in_days")
    assert not AccessToken.objects.filter(name="x").exists()


@pytest.mark.parametrize("name", [None, "", " ", "x" * 101, "\x00", 7, ["x"]])
def test_a_token_needs_a_name(api, name):
    assert_names(api.post("tokens", {"name": name}), "name")
    assert_names(api.post("tokens", {}), "name")


def test_the_list_has_the_users_own_the_newest_first_and_says_which_have_expired(api):
    Api()  # another user's
    make.token(api.user, name="old", expiry=timedelta(seconds=-1))
    answer = api.get("tokens").json()
    assert answer.keys() == {"tokens", "count", "next", "previous"}
    assert [(token["name"], token["expired"]) for token in answer["tokens"]] == [("old", True), ("", False)]
    assert len(api.get("tokens", limit=1).json()["tokens"]) == 1


def test_a_token_that_was_revoked_lets_nobody_in(api):
    other = api.made("tokens", name="other")
    second = Api(api.user, token=other["value"])
    assert second.get("tasks").status_code == 200
    answer = api.delete(f"tokens/{other['id']}")
    assert answer.json() == {"success": True, "message": f"Token {other['id']} deleted"}
    assert second.get("tasks").status_code == 401
    assert api.delete(f"tokens/{other['id']}").status_code == 404


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_anothers_token_is_not_found(api, method):
    make.token(name="another's")
    theirs = AccessToken.objects.get(name="another's")
    for key in (theirs.uid, theirs.digest, uuid.uuid4(), "x"):
        answer = api.call(method, f"tokens/{key}")
        assert (answer.status_code, answer.json()) == (404, {"detail": "Token not found"})
    assert AccessToken.objects.filter(pk=theirs.pk).exists()


def test_nobody_gets_a_token_without_a_login():
    for method, path in (("GET", "tokens"), ("POST", "tokens"), ("DELETE", f"tokens/{uuid.uuid4()}")):
        assert Client().generic(method, f"/api/mission-control/{path}").status_code == 401


def test_a_token_that_expires_makes_none_that_outlives_it(api):
    short = Api(api.user, token=make.token(api.user, expiry=timedelta(days=10)))
    assert_names(short.post("tokens", {"name": "x"}), "expires_in_days")
    assert_names(short.post("tokens", {"name": "x", "expires_in_days": 11}), "expires_in_days")
    assert short.post("tokens", {"name": "x", "expires_in_days": 9}).status_code == 200


def test_a_token_ends_with_the_one_that_it_was_made_with(api):
    parent = api.made("tokens", name="parent")
    child = Api(api.user, token=parent["value"]).made("tokens", name="child")
    grandchild = Api(api.user, token=child["value"]).made("tokens", name="grandchild")
    assert Api(api.user, token=grandchild["value"]).get("tasks").status_code == 200
    api.delete(f"tokens/{parent['id']}")
    for token in (parent, child, grandchild):
        assert Api(api.user, token=token["value"]).get("tasks").status_code == 401
    assert api.get("tasks").status_code == 200


@pytest.mark.parametrize("where", ["account", "admin"])
@pytest.mark.parametrize("revokes", [True, False])
def test_a_change_of_the_password_revokes_the_tokens_when_asked_to(api, where, revokes):
    password = "a-new-password-7"
    api.user.set_password("the-old-password-7")
    api.user.save()
    client = Client()
    client.force_login(api.user)
    if where == "account":
        path, form = reverse("account-password"), {"old_password": "the-old-password-7"}
        form |= {"new_password1": password, "new_password2": password}
    else:
        path = reverse("admin:auth_user_password_change", args=[api.user.pk])
        form = {"usable_password": "true", "password1": password, "password2": password}
    assert client.post(path, form | ({"revoke_tokens": "on"} if revokes else {})).status_code == 302
    api.user.refresh_from_db()
    assert api.user.check_password(password)
    assert api.get("tasks").status_code == (401 if revokes else 200)


def test_a_browser_may_revoke_and_make_tokens():
    client, user = Client(), make.user()
    client.force_login(user)
    make.token(user, name="old")
    for path in ("tokens", f"tokens/{AccessToken.objects.get().uid}"):
        page = client.get(f"/api/mission-control/{path}", headers={"Accept": "text/html"})
        assert page.status_code == 200
    assert client.delete(f"/api/mission-control/{path}").status_code == 200


# ---------------------------------------------------------------- the command
def run_command(*arguments):
    out, err = io.StringIO(), io.StringIO()
    call_command("create_token", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_command_prints_the_token_and_nothing_else_to_standard_output():
    user = make.user(username="ada")
    out, err = run_command("ada", "--name", "cron", "--days", "7")
    assert re.fullmatch(r"mct_[0-9a-f]{60,64}\n", out)
    assert "'cron' of ada" in err and out.strip() not in err
    assert Api(user, token=out.strip()).get("tasks").status_code == 200
    assert AccessToken.objects.get(name="cron").expiry is not None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nobody"], "there is no user called 'nobody'"),
        (["gone"], "the user 'gone' is not active"),
        (["ada", "--days", "0"], "--days must be a number from 1 to 36500"),
        (["ada", "--days", "x"], "--days must be a number from 1 to 36500"),
        (["ada", "--days", "٣"], "--days must be a number from 1 to 36500"),
        (["ada", "--name", " "], "--name must have 1 to 100 characters"),
        (["ada", "--name", "x" * 101], "--name must have 1 to 100 characters"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(arguments, told):
    make.user(username="ada")
    make.user(username="gone", is_active=False)
    with pytest.raises(CommandError) as refused:
        run_command(*arguments)
    assert (str(refused.value), refused.value.returncode) == (told, 1)
    assert not AccessToken.objects.exists()


# ---------------------------------------------------------------- the admin
ADD = "admin:mission_control_accesstoken_add"


def test_the_admin_makes_a_token_and_shows_it_once():
    client, owner = Client(), make.user(may=["mission_control.view_task"])
    client.force_login(make.user())
    assert client.get(reverse(ADD)).status_code == 200
    form = {"user": owner.pk, "name": "for Ada", "expires_in_days": "3"}
    page = client.post(reverse(ADD), form)
    assert page.status_code == 200
    assert "no-store" in page["Cache-Control"] and "no-transform" in page["Cache-Control"]
    [value] = re.findall(r"<code>(mct_[0-9a-f]{60,64})</code>", page.content.decode())
    assert Api(owner, token=value).get("tasks").status_code == 200

    token = AccessToken.objects.get(name="for Ada")
    assert (token.user, token.expiry is not None) == (owner, True)
    for name, arguments in (("changelist", []), ("change", [token.pk]), ("history", [token.pk])):
        shown = client.get(reverse(f"admin:mission_control_accesstoken_{name}", args=arguments))
        assert value not in shown.content.decode()
    assert value not in json.dumps({name: morsel.value for name, morsel in client.cookies.items()})


@pytest.mark.parametrize("wrong", [{"expires_in_days": "0"}, {"name": ""}, {"user": "0"}, {"name": "x" * 101}])
def test_the_admin_refuses_what_the_api_refuses(wrong):
    client, user = Client(), make.user()
    client.force_login(user)
    page = client.post(reverse(ADD), {"user": user.pk, "name": "x", **wrong})
    assert page.context["errors"]
    assert not AccessToken.objects.exists()
