"""What was found on this machine, on the pages and by the API: shown, used, refused."""

import re

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import connections, lookups
from agents.backends import registry
from agents.backends.programs.allowed import grant
from agents.discovery.findings import Finding, Kind, State
from agents.discovery.scanner import scanner
from agents.models import Agent, AllowedProgram, Lookup
from mission_control.actions.found_agents import use
from mission_control.models import Activity, Run, Task
from mission_control.runs.lifecycle import claim, finish
from tests import make
from tests.agents.discovery.conftest import install, machine
from tests.agents.discovery.test_model_servers import OLLAMA, models, server
from tests.api.conftest import Api
from tests.rivals import race
from tests.web.conftest import client_of
from tests.web.pages import html, text_of

__all__ = ["install", "machine"]  # fixtures
pytestmark = pytest.mark.usefixtures("database")
ADDS = ["mission_control.view_task", "mission_control.view_run", "agents.view_agent", "agents.add_agent"]
PROGRAM = 'case "$1" in --version) echo 1.0.102;; auth) exit 1;; esac'


@pytest.fixture
def search(machine, settings, monkeypatch):
    """Search this machine now, and return the findings. At the end everything is forgotten."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)

    def search(*addresses: str):
        settings.FIND_MODEL_SERVERS = list(addresses)
        scanner.result(again=True)
        scanner.wait(30)
        return scanner.result().findings

    settings.FIND_AGENTS = settings.CONNECTIONS_BY_PAGE = True
    yield search
    scanner.wait(30)
    scanner.forget()
    grant(())


@pytest.fixture
def copilot(install, search, monkeypatch):
    """A program with a login, found."""
    monkeypatch.setenv("GH_TOKEN", "x")
    install("copilot", PROGRAM)
    return search()


def panel(page: str) -> str:
    return text_of(page[page.index('id="found"') : page.index("</section>", page.index('id="found"'))])


# ---------------------------------------------------------------- shown
def test_the_first_page_shows_what_was_found_with_a_button_each(browser, copilot):
    for path in ("/", "/agents"):
        shown = panel(html(browser, path))
        assert "GitHub Copilot CLI 1.0 logged in" in shown and "Use it : GitHub Copilot CLI" in shown, path


def test_the_board_stops_showing_it_once_there_is_a_real_agent(browser, copilot):
    make.task()
    make.agent(backend="demo")
    assert 'id="found"' in html(browser, "/")
    make.agent(name="real", backend="pydantic_ai")
    assert 'id="found"' not in html(browser, "/")
    assert 'id="found"' in html(browser, "/agents")


def test_where_nothing_is_found_the_page_says_what_to_paste(browser, search):
    assert search() == ()
    shown = panel(html(browser, "/"))
    for line in ("npm install -g @anthropic-ai/claude-code", "&gt;&gt; .env", "ollama pull", "under Connections"):
        assert line in shown
    others = client_of(make.user(may=ADDS))
    assert "under Connections" not in panel(html(others, "/agents"))
    assert "demo backend shows how runs work" in text_of(html(browser, "/agents"))


def test_the_board_says_what_to_paste_only_until_the_first_run(browser, search):
    search()
    make.run(make.task(), make.agent(backend="demo"))
    assert 'id="found"' not in html(browser, "/")
    assert "ollama pull" in panel(html(browser, "/agents"))


def test_a_program_without_login_is_folded_away_with_what_it_lacks(browser, install, search):
    install("copilot", PROGRAM)
    search()
    page = html(browser, "/agents")
    assert "log in there with copilot" in panel(page) and "Use it" not in panel(page)


def test_a_page_does_not_wait_for_the_search_but_asks_again(browser, install, search):
    install("copilot", "sleep 2; echo 1.0")
    scanner.forget()
    page = html(browser, "/agents")
    assert "Searching…" in panel(page) and 'hx-trigger="every 600ms" hx-swap="morph"' in page
    scanner.wait(30)
    fragment = browser.get("/agents/found", headers={"HX-Request": "true"}).content.decode()
    assert "GitHub Copilot CLI" in fragment and "hx-trigger" not in fragment


def test_who_may_not_add_agents_sees_nothing_of_the_machine(copilot):
    viewer = client_of(make.user(may=["mission_control.view_task", "agents.view_agent"]))
    for path in ("/", "/agents"):
        assert "GitHub Copilot CLI 1.0" not in viewer.get(path).content.decode(), path
    assert viewer.get("/agents/found").status_code == 403
    assert viewer.post("/agents/found/program-copilot/use").status_code == 403


# ---------------------------------------------------------------- used
def test_use_it_allows_the_program_makes_the_agent_and_tests_it(browser, copilot):
    answer = browser.post("/agents/found/program-copilot/use")
    agent = Agent.objects.get()
    assert answer.headers["Location"] == f"/agents/{agent.pk}#agent-history"
    assert (agent.name, agent.backend, agent.backend_options) == ("copilot", "copilot_sdk", {})
    assert (
        AllowedProgram.objects.get().allowed_by.username
        == Activity.objects.filter(message__startswith="Agents may now run GitHub Copilot CLI")
        .get()
        .metadata["person"]
    )
    assert Run.objects.get().task.title == "Test of copilot"
    assert registry.missing_for("copilot_sdk", {}) is None
    shown = panel(html(browser, "/agents"))
    assert "used by copilot" in shown and "Test : GitHub" in shown


def test_a_second_click_makes_no_second_agent(browser, copilot):
    for _ in range(2):
        browser.post("/agents/found/program-copilot/use")
    assert (Agent.objects.count(), Task.objects.count()) == (1, 1)


def test_several_clicks_at_once_make_one_agent_and_one_test(copilot):
    person = make.user().pk
    answers = race(press, [(person,)] * 4, processes=4)
    agent = Agent.objects.get()
    assert answers == [f"/agents/{agent.pk}#agent-history"] * 4
    assert (AllowedProgram.objects.count(), Task.objects.count(), Run.objects.count()) == (1, 1, 1)


def press(person: int) -> str:
    user = User.objects.get(pk=person)
    return client_of(user).post("/agents/found/program-copilot/use").headers["Location"]


def test_of_many_who_use_one_finding_at_once_one_makes_the_agent():
    person, url = make.user().pk, "http://127.0.0.1:9/v1"
    findings = [
        Finding(f"server-{number}", Kind.SERVER, "Ollama", State.READY, backend="pydantic_ai", options=options)
        for number in range(3)
        for options in [{"model": f"m{number}", "base_url": url}] * 4
    ]
    assert sorted(race(use_one, [(one, person) for one in findings], processes=4)) == [False] * 9 + [True] * 3
    assert sorted(Agent.objects.values_list("name", flat=True)) == ["m0", "m1", "m2"]


def use_one(finding: Finding, person: int) -> bool:
    return use(finding, by=User.objects.get(pk=person)).is_new


def test_use_it_says_that_the_test_waits_while_no_slot_is_free(browser, copilot):
    make.limit(1)
    make.run(make.task(), make.agent(backend="demo"))
    page = browser.post("/agents/found/program-copilot/use", follow=True).content.decode()
    assert "copilot is added. Its test waits for a free slot." in page
    assert Run.objects.get(task__title="Test of copilot").status == "waiting"


def test_who_may_not_run_agents_gets_the_agent_without_a_test(copilot, settings):
    settings.MISSION_CONTROL_COMMANDS = {"copilot": {}}
    adder = make.user(may=["mission_control.view_task", "agents.view_agent", "agents.add_agent"])
    page = client_of(adder).post("/agents/found/program-copilot/use", follow=True).content.decode()
    assert "copilot is ready, but not tested: You don&#x27;t have permission to test agents." in page
    used = Api(adder).post("agents/found/program-copilot/use", {}).json()
    assert (used["created"], used["test_run_id"]) == (False, None)
    assert used["test_refusal"] == "You don't have permission to test agents."
    assert not Run.objects.exists()


def test_a_model_server_makes_an_agent_of_the_chosen_model(browser, search):
    with server(models(*OLLAMA)) as ollama:
        search(ollama.address)
        key = f"server-{ollama.address.replace(':', '-')}"
        browser.post(f"/agents/found/{key}/use", {"model": "qwen3:8b"})
        browser.post(f"/agents/found/{key}/use", {"model": "llama3.2:3b"})
    options = {agent.name: agent.backend_options for agent in Agent.objects.all()}
    assert options == {
        name.replace(":", "-"): {"model": name, "base_url": f"http://{ollama.address}/v1"}
        for name in ("qwen3:8b", "llama3.2:3b")
    }
    page = html(browser, "/agents/new")
    offered = browser.get("/agents/options?backend=pydantic_ai").content.decode()
    address = f"http://{ollama.address}/v1"
    assert "<datalist" in offered and f'value="{address}"' in offered and "Create agent" in page
    assert 'value="qwen3:8b"' not in offered  # without the server's address it names no model
    chosen = browser.get(f"/agents/options?backend=pydantic_ai&option-base_url={address}").content.decode()
    assert 'value="qwen3:8b"' in chosen


def test_the_test_that_succeeded_offers_the_first_task(browser, copilot):
    browser.post("/agents/found/program-copilot/use")
    run = Run.objects.get()
    claim(run.pk, worker="test/none/none/1-1")
    finish(run.pk, "completed", guard=Q())
    page = html(browser, f"/agents/{run.agent_id}")
    assert f'href="/tasks/new?agent={run.agent_id}"' in page
    form = browser.get(f"/tasks/new?agent={run.agent_id}").content.decode()
    assert f'value="{run.agent_id}" selected' in form


# ---------------------------------------------------------------- who decides
def test_only_a_superuser_allows_a_program(copilot):
    member = client_of(make.user(may=ADDS))
    assert "Only the operator can allow it" in panel(html(member, "/agents"))
    assert member.post("/agents/found/program-copilot/use", follow=True).status_code == 200
    assert not Agent.objects.exists() and not AllowedProgram.objects.exists()


def test_elsewhere_only_the_environment_decides(browser, copilot, settings):
    AllowedProgram.objects.create(name="copilot")
    settings.CONNECTIONS_BY_PAGE = False
    connections.refresh()
    assert registry.missing_for("copilot_sdk", {}) == "Add `copilot` to MISSION_CONTROL_COMMANDS to enable it"
    browser.post("/agents/found/program-copilot/use")
    assert not Agent.objects.exists()
    settings.MISSION_CONTROL_COMMANDS = {"copilot": {}}
    browser.post("/agents/found/program-copilot/use")
    assert Agent.objects.get().backend == "copilot_sdk"


# ---------------------------------------------------------------- by API
def test_the_api_shows_and_uses_what_was_found(copilot):
    api = Api()
    told = api.get("agents/found").json()
    assert (told["count"], told["is_checking"], told["found"][0]["key"]) == (1, False, "program-copilot")
    used = api.post("agents/found/program-copilot/use", {})
    assert used.status_code == 200
    told = used.json()
    assert (told["created"], told["agent"]["name"], told["test_refusal"]) == (True, "copilot", None)
    assert str(Run.objects.get().pk) == told["test_run_id"]
    assert api.post("agents/found/program-claude/use", {}).status_code == 404
    assert api.post("agents/found/check").json()["is_checking"]


def test_the_api_refuses_as_the_pages_do(copilot, settings):
    member = Api(make.user(may=ADDS))
    refused = member.post("agents/found/program-copilot/use", {})
    assert (refused.status_code, refused.json()) == (403, {"detail": "Only a superuser decides about `copilot`"})
    viewer = Api(make.user(may=["agents.view_agent"]))
    assert viewer.get("agents/found").status_code == viewer.post("agents/found/check").status_code == 403
    settings.CONNECTIONS_BY_PAGE = False
    assert (
        "add it to MISSION_CONTROL_COMMANDS" in Api().post("agents/found/program-copilot/use", {}).json()["detail"]
    )


# ---------------------------------------------------------------- lists in the form
def test_the_form_and_the_api_offer_the_models_of_a_provider_once_they_have_arrived(browser, search, monkeypatch):
    with server(models({"id": "gpt-new"})) as there:
        monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-the-provider")
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://{there.address}/v1")
        page = html(browser, "/agents/options?backend=openai_agents")
        assert "asking for its models" in text_of(page) and 'hx-trigger="every 600ms"' in page
        lookups.wait(60)
        page = html(browser, "/agents/choices?backend=openai_agents")
        assert '<option value="gpt-new">' in page and "hx-trigger" not in page
        assert "OpenAI: 1 model," in text_of(page) and "Ask for the models now" in page
        told = Api().get("backends/choices", backend="pydantic_ai").json()
        assert told["choices"]["model"] == ["openai:gpt-new"]
        assert [(one["title"], one["number"], one["is_checking"]) for one in told["sources"]] == [
            ("OpenAI", 1, False)
        ]
        asked = Api().post("backends/choices", {"backend": "openai_agents"}).json()
        assert asked["sources"][0]["is_checking"]
        lookups.wait(60)
        whole_form = {"backend": "openai_agents", "name": "", "role": ""}  # htmx sends the form around the button
        assert "asking for its models" in text_of(browser.post("/agents/choices", whole_form).content.decode())
        lookups.wait(60)
    assert "a-key-of-the-provider" not in page + str(told)


def test_who_may_only_see_agents_makes_nobody_ask(search, monkeypatch):
    viewer = make.user(may=["agents.view_agent"])
    with server(models({"id": "gpt-new"})) as there:
        monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-the-provider")
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://{there.address}/v1")
        page = client_of(viewer).post("/agents/choices", {"backend": "openai_agents"}).content.decode()
        assert "not asked for its models yet" in page and "Ask for" not in page
        assert Api(viewer).post("backends/choices", {"backend": "openai_agents"}).status_code == 403
        [source] = Api(viewer).get("backends/choices", backend="openai_agents").json()["sources"]
        assert not source["is_checking"] and source["checked_at"] is None
        assert there.requests == []


def test_choices_of_an_unknown_backend_are_not_found(browser):
    assert browser.get("/agents/choices?backend=nonsense").status_code == 404
    assert Api().get("backends/choices", backend="nonsense").status_code == 400


def test_a_found_program_that_is_not_allowed_is_named_in_the_form(browser, install, search):
    install("gemini", "exit 0")
    search()
    page = text_of(html(browser, "/agents/options?backend=command"))
    assert "Found here, but not allowed yet: gemini" in page
    browser.post("/agents/connections/program", {"name": "gemini", "allowed": "yes"})
    search()
    page = html(browser, "/agents/options?backend=command")
    assert "not allowed yet" not in page and '<option value="gemini">' in page


def test_findings_connections_and_lists_take_two_queries_a_page(browser, search, monkeypatch):
    monkeypatch.setenv("MISTRAL_API_KEY", "a-key-of-the-provider")
    search()
    Lookup.objects.create(
        key=f"choices:{settings_of_host()}:models-mistral", value=["m"], checked_at=timezone.now()
    )
    for path in ("/", "/agents", "/agents/new", "/agents/options?backend=pydantic_ai"):
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(path).status_code == 200
        tables = "agents_lookup|agents_allowedprogram|agents_providerkey"
        assert len([one for one in queries if re.search(tables, one["sql"])]) == 2, path


def settings_of_host() -> str:
    return str(django_settings.HOST_NAME)[:200]
