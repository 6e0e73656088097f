"""Connections: allowed programs and keys of providers, by page, API, admin and command; encrypted, never shown."""

import io
import os
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIRequest
from django.core.management import CommandError, call_command
from django.test import Client

from agents import connections, redaction
from agents.backends import registry
from agents.backends.programs.allowed import grant
from agents.discovery.scanner import scanner
from agents.models import AllowedProgram, ProviderKey
from agents.redaction import redact
from agents.sealing import seal, unseal
from mission_control.actions import connections as actions
from mission_control.addresses import is_from_this_machine
from mission_control.errors import Invalid, OperatorDecides
from mission_control.models import Activity
from tests import make
from tests.api.conftest import Api
from tests.rivals import race
from tests.web.conftest import client_of
from tests.web.pages import html, text_of

pytestmark = pytest.mark.usefixtures("database")
NAME, VALUE, OTHER = "MISTRAL_API_KEY", "a-key-of-mistral-0123456789", "another-key-of-mistral-98765"


@pytest.fixture(autouse=True)
def by_page(settings, monkeypatch):
    """An installation for this machine only, without any key. At the end nothing stays in the environment."""
    settings.CONNECTIONS_BY_PAGE = True
    for variable in connections.KEYS:
        monkeypatch.delenv(variable, raising=False)
    yield
    settings.CONNECTIONS_BY_PAGE = False
    connections.refresh()
    grant(())


def messages() -> list[str]:
    return list(Activity.objects.order_by("number").values_list("message", flat=True))


# ---------------------------------------------------------------- keys at rest
def test_a_key_is_encrypted_in_the_database_and_backends_find_it_in_the_environment():
    actions.set_key(NAME, f" {VALUE}\n", by=make.user())
    row = ProviderKey.objects.get()
    assert VALUE not in str(vars(row)) and row.last_four == "6789"
    assert os.environ[NAME] == VALUE
    assert registry.missing_for("pydantic_ai", {"model": "mistral:mistral-large-latest"}) is None
    actions.remove_key(NAME, by=make.user())
    assert NAME not in os.environ


def test_another_process_reads_a_key_that_was_set_and_forgets_one_that_was_deleted():
    ProviderKey.objects.create(variable=NAME, sealed=seal(NAME, VALUE))
    connections.refresh()  # as a worker does at the start of a run
    assert os.environ[NAME] == VALUE
    ProviderKey.objects.update(sealed=seal(NAME, OTHER))
    connections.refresh()
    assert os.environ[NAME] == OTHER
    ProviderKey.objects.all().delete()
    connections.refresh()
    assert NAME not in os.environ


def test_the_environment_takes_precedence(monkeypatch):
    monkeypatch.setenv(NAME, "the operator's own")
    actions.set_key(NAME, VALUE, by=None)
    assert os.environ[NAME] == "the operator's own"
    assert next(one.source for one in actions.provider_keys() if one.name == NAME) == "environment"
    actions.remove_key(NAME, by=None)
    assert os.environ[NAME] == "the operator's own"


def test_a_key_is_removed_from_output_also_after_it_was_replaced():
    actions.set_key(NAME, VALUE, by=None)
    actions.set_key(NAME, OTHER, by=None)
    for value in (VALUE, OTHER):
        assert value not in redact(f"the server said {value} is wrong")


def test_a_sealed_key_opens_only_under_its_name_and_with_its_secret(settings):
    sealed = seal(NAME, VALUE)
    assert unseal(NAME, sealed) == VALUE
    assert unseal("OPENAI_API_KEY", sealed) is None
    assert unseal(NAME, "nonsense") is None
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another secret"
    assert unseal(NAME, sealed) is None
    settings.SECRET_KEY_FALLBACKS = [old]
    assert unseal(NAME, sealed) == VALUE


def test_a_key_that_cannot_be_read_is_shown_as_such_and_is_not_used(browser):
    ProviderKey.objects.create(variable=NAME, sealed="nonsense", last_four="6789")
    assert "Cannot be read: enter it again" in html(browser, "/agents/connections")
    assert NAME not in os.environ


@pytest.mark.parametrize(
    "value", ["", "short", "two words here", "x" * 1_001, "ümlauts-in-the-key", "a\0bcdefghijk"]
)
def test_what_is_no_key_is_refused_without_repeating_it(value):
    with pytest.raises(Invalid) as refusal:
        actions.set_key(NAME, value, by=None)
    assert not value or value not in refusal.value.detail


def test_no_other_variable_can_be_set():
    for variable in ("PATH", "SECRET_KEY", "OPENAI_BASE_URL", "LD_PRELOAD"):
        with pytest.raises(Invalid):
            actions.set_key(variable, VALUE, by=None)


# ---------------------------------------------------------------- who decides
def test_only_a_superuser_decides_and_only_where_nobody_else_can_reach_the_product(settings):
    member = make.user(may=["agents.add_agent", "agents.change_agent"])
    inactive = make.user(is_active=False)
    for user in (member, inactive):
        with pytest.raises(OperatorDecides, match="Only a superuser"):
            actions.set_key(NAME, VALUE, by=user)
        with pytest.raises(OperatorDecides, match="Only a superuser"):
            actions.allow_program("claude", by=user)
    settings.CONNECTIONS_BY_PAGE = False
    for user in (make.user(), None):
        with pytest.raises(OperatorDecides, match="set it in the environment"):
            actions.set_key(NAME, VALUE, by=user)
    assert not ProviderKey.objects.exists() and not AllowedProgram.objects.exists()


def from_there(client: Any = ("127.0.0.1", 5), server: Any = ("127.0.0.1", 8000), **headers: str) -> ASGIRequest:
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": sent, "client": client, "server": server}
    return ASGIRequest(scope, io.BytesIO())


@pytest.mark.parametrize(
    "request_from_elsewhere",
    [
        from_there(client=("203.0.113.5", 5), server=("198.51.100.1", 8000)),  # uvicorn --host 0.0.0.0
        from_there(server=("192.168.1.7", 8000)),  # this machine, by its public address: so may a proxy
        from_there(client=None),
        from_there(server=None),
        from_there(client=None, server=("/run/mission.sock", None)),  # behind a proxy
        from_there(client=("", 0)),
        *(
            from_there(**{name: "127.0.0.1"})
            for name in (
                "x_forwarded_for",
                "x_forwarded_proto",
                "x_forwarded_host",
                "x_real_ip",
                "forwarded",
                "via",
            )
        ),
    ],
)
def test_a_request_through_a_proxy_or_by_a_public_address_is_not_from_this_machine(request_from_elsewhere):
    assert not is_from_this_machine(request_from_elsewhere)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"])
def test_a_request_by_a_loopback_address_is_from_this_machine(address):
    assert is_from_this_machine(from_there(client=(address, 5), server=(address, 8000)))


def test_a_superuser_on_another_machine_decides_nothing_though_the_settings_say_loopback():
    far: dict[str, Any] = {"REMOTE_ADDR": "203.0.113.5"}
    operator = make.user()
    browser = client_of(operator)
    api = Api(operator)
    assert "can only be changed in a browser on the machine" in text_of(
        browser.get("/agents/connections", **far).content.decode()
    )
    browser.post("/agents/connections/key", {"variable": NAME, "value": VALUE}, **far)
    browser.post("/agents/connections/program", {"name": "claude", "allowed": "yes"}, **far)
    refused = api.post("connections/keys", {"variable": NAME, "value": VALUE}, **far)
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        f"`{NAME}` can only be changed from the machine on which Mission Control runs",
    )
    assert api.post("connections/programs", {"name": "claude", "allowed": True}, **far).status_code == 403
    assert (
        api.post("connections/keys", {"variable": NAME, "value": VALUE}, HTTP_VIA="1.1 proxy").status_code == 403
    )
    assert not api.call("GET", "connections", **far).json()["may_decide"]
    assert browser.get("/admin/agents/providerkey/add/", **far).status_code == 403
    assert not ProviderKey.objects.exists() and not AllowedProgram.objects.exists()
    assert actions.may_decide(operator)  # the next request is judged by itself


def test_where_only_the_environment_decides_stored_connections_are_not_used(settings):
    actions.set_key(NAME, VALUE, by=None)
    actions.allow_program("claude", by=None)
    settings.CONNECTIONS_BY_PAGE = False
    connections.refresh()
    assert NAME not in os.environ
    assert registry.missing_for("command", {"command": "claude"}).startswith("Add `claude`")
    assert not any(one.source for one in [*actions.programs(), *actions.provider_keys()])


# ---------------------------------------------------------------- simultaneous changes
def test_of_those_who_save_a_key_at_once_each_succeeds_and_one_value_is_kept():
    people = [make.user().pk for _ in range(4)]
    assert race(save, [(key,) for key in people], processes=4) == ["saved"] * 4
    row = ProviderKey.objects.get()
    assert unseal(NAME, row.sealed) == f"{VALUE}-of-{row.set_by_id}"


def save(person: int) -> str:
    actions.set_key(NAME, f"{VALUE}-of-{person}", by=User.objects.get(pk=person))
    return "saved"


def test_a_key_deleted_by_a_thread_does_not_disturb_the_redaction_of_another(monkeypatch):
    monkeypatch.setenv("FIRST_API_KEY", VALUE)
    monkeypatch.setenv("SECOND_API_KEY", OTHER)
    found = redaction._secrets_of_environment()
    while next(found) != VALUE:
        pass
    monkeypatch.delenv("SECOND_API_KEY")
    assert OTHER not in list(found)


def test_after_a_change_this_machine_is_searched_again(settings, monkeypatch):
    settings.FIND_AGENTS, settings.FIND_MODEL_SERVERS = True, []
    monkeypatch.setenv("PATH", "/nonexistent")
    try:
        for value, keys in ((VALUE, ["key-mistral"]), ("", [])):
            assert Api().post("connections/keys", {"variable": NAME, "value": value}).status_code == 200
            assert scanner.result().is_checking
            scanner.wait(30)
            assert [one.key for one in scanner.result().findings] == keys
    finally:
        scanner.wait(30)
        scanner.forget()


# ---------------------------------------------------------------- by page
def test_a_name_that_no_database_can_store_is_refused(browser):
    for path, fields in (
        ("program", {"name": "a\0", "allowed": "no"}),
        ("key", {"variable": "a\0", "remove": "yes"}),
    ):
        answer = browser.post(f"/agents/connections/{path}", fields, follow=True)
        assert (answer.status_code, "not found" in answer.content.decode()) == (200, True), path


def test_the_page_stores_a_key_and_shows_its_end_only(browser):
    browser.post("/agents/connections/key", {"variable": NAME, "value": VALUE})
    page = html(browser, "/agents/connections")
    assert "ends in 6789" in text_of(page) and VALUE not in page
    assert messages() == [f"The key {NAME} was set"]
    assert "person" in Activity.objects.get().metadata
    browser.post("/agents/connections/key", {"variable": NAME, "remove": "yes"})
    assert not ProviderKey.objects.exists()


def test_the_page_allows_a_program_and_takes_that_back(browser):
    browser.post("/agents/connections/program", {"name": "gemini", "allowed": "yes"})
    assert "Forbid : Gemini CLI" in text_of(html(browser, "/agents/connections"))
    browser.post("/agents/connections/program", {"name": "gemini", "allowed": "no"})
    assert messages() == ["Agents may now run Gemini CLI (`gemini`)", "Agents may no longer run `gemini`"]


def test_the_page_has_no_form_for_others(settings):
    member = client_of(make.user(may=["agents.view_agent", "agents.add_agent"]))
    page = html(member, "/agents/connections")
    assert "Only a superuser can change these." in page and 'name="value"' not in page
    superuser = make.user()
    actions.set_key(NAME, VALUE, by=superuser)
    page = text_of(html(member, "/agents/connections"))
    assert "Set" in page and superuser.username not in page and VALUE[-4:] not in page
    settings.CONNECTIONS_BY_PAGE = False
    assert "only its environment decides" in html(client_of(make.user()), "/agents/connections")
    assert client_of(make.user(may=["agents.view_agent"])).get("/agents/connections").status_code == 403
    assert Client().get("/agents/connections").status_code == 302


# ---------------------------------------------------------------- by API, admin and command
def test_the_api_does_the_same_and_never_answers_with_a_key():
    api = Api()
    assert api.post("connections/keys", {"variable": NAME, "value": VALUE}).status_code == 200
    assert api.post("connections/programs", {"name": "codex", "allowed": True}).status_code == 200
    answer = api.get("connections")
    assert VALUE not in answer.content.decode() and answer.json()["may_decide"]
    told = {one["name"]: one for part in ("programs", "keys") for one in answer.json()[part]}
    assert (told[NAME]["origin"], told[NAME]["last_four"], told["codex"]["origin"]) == ("page", "6789", "page")
    assert api.post("connections/keys", {"variable": NAME, "value": ""}).status_code == 200
    assert api.post("connections/keys", {"variable": NAME, "value": ""}).status_code == 404
    assert api.post("connections/programs", {"name": "codex", "allowed": False}).status_code == 200


def test_the_api_refuses_who_may_not_decide(settings):
    member = Api(make.user(may=["agents.view_agent", "agents.add_agent"]))
    assert member.get("connections").status_code == 403
    assert member.post("connections/keys", {"variable": NAME, "value": VALUE}).status_code == 403
    settings.CONNECTIONS_BY_PAGE = False
    refused = Api().post("connections/keys", {"variable": NAME, "value": VALUE})
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        f"Only the operator decides about `{NAME}` here: set it in the environment and restart",
    )


def test_the_admin_does_the_same(settings, browser):
    added = browser.post("/admin/agents/providerkey/add/", {"variable": NAME, "value": VALUE})
    assert added.status_code == 302
    shown = browser.get("/admin/agents/providerkey/").content.decode()
    assert "6789" in shown and VALUE not in shown
    assert os.environ[NAME] == VALUE
    key = ProviderKey.objects.get()
    assert VALUE not in browser.get(f"/admin/agents/providerkey/{key.pk}/change/").content.decode()
    browser.post(f"/admin/agents/providerkey/{key.pk}/delete/", {"post": "yes"})
    assert NAME not in os.environ
    assert browser.post("/admin/agents/allowedprogram/add/", {"name": "claude"}).status_code == 302
    assert AllowedProgram.objects.get().allowed_by is not None
    settings.CONNECTIONS_BY_PAGE = False
    assert browser.get("/admin/agents/providerkey/add/").status_code == 403


def test_the_command_reads_a_key_from_standard_input_and_lists_all(monkeypatch, capsys, settings):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{VALUE}\n"))
    call_command("connect", "--key", NAME)
    call_command("connect", "--allow", "claude")
    said = capsys.readouterr().out
    assert f"{NAME} (Mistral): by page, ends in 6789" in said and "claude (Claude Code): by page" in said
    assert VALUE not in said
    call_command("connect", "--remove-key", NAME)
    call_command("connect", "--forbid", "claude")
    with pytest.raises(CommandError, match="Key not found"):
        call_command("connect", "--remove-key", NAME)
    settings.CONNECTIONS_BY_PAGE = False
    with pytest.raises(CommandError, match="Only the operator decides"):
        call_command("connect", "--allow", "claude")


@pytest.mark.parametrize("given", [b"\xff\xfe-no-text-at-all", f"{VALUE}\n{OTHER}\n".encode(), b""])
def test_the_command_refuses_what_is_no_key_without_a_traceback(given, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"))
    with pytest.raises(CommandError) as refusal:
        call_command("connect", "--key", NAME)
    assert VALUE not in str(refusal.value)
    assert not ProviderKey.objects.exists()
