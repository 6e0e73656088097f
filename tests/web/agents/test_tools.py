"""The tools of an agent by page, API and command: what it can use, and who may start its servers."""

import io
import sys

import pytest
from django.core.management import CommandError, call_command

from agents.backends.programs.mcp_settings import McpCommand
from tests import make
from tests.agents.test_mcp_servers import SERVER
from tests.api.conftest import Api
from tests.web.conftest import client_of
from tests.web.pages import html, text_of

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def ada(settings):
    """An agent with one server that works and one that does not."""
    settings.AGENT_ISOLATION = "none"
    parrot = [sys.executable, SERVER, "stdio"]
    settings.MCP_COMMANDS = {
        "parrot": McpCommand.of("parrot", parrot),
        "broken": McpCommand.of("broken", ["sh", "-c", "echo the cage is empty >&2; exit 3"]),
    }
    servers = {"parrot": {"command": "parrot"}, "broken": {"command": "broken"}}
    return make.agent(name="Ada", backend="pydantic_ai", backend_options={"mcp_servers": servers})


def test_a_superuser_starts_each_server_once_and_sees_its_tools_or_its_failure(ada):
    page = text_of(client_of(make.user()).post(f"/agents/{ada.pk}/tools").content.decode())
    assert "parrot" in page and "repeat" in page and "refuse" in page
    assert "Did not start" in page and "the cage is empty" in page
    answer = Api().post(f"agents/{ada.pk}/check-tools").json()
    found = {one["name"]: one for one in answer["servers"]}
    assert [tool["name"] for tool in found["parrot"]["tools"]] == ["repeat", "look", "refuse"]
    assert (found["broken"]["tools"], found["broken"]["failure"]) == ([], "the cage is empty")


def test_others_see_the_servers_and_start_none(ada):
    member = make.user(may=["agents.view_agent", "agents.change_agent"])
    browser = client_of(member)
    page = text_of(html(browser, f"/agents/{ada.pk}/tools"))
    assert "parrot" in page and "Check" not in page.replace("Check agent", "")
    refused = browser.post(f"/agents/{ada.pk}/tools")
    assert refused.status_code == 403 and "Only a superuser" in text_of(refused.content.decode())
    assert Api(member).post(f"agents/{ada.pk}/check-tools").status_code == 403


def test_the_page_shows_what_the_folders_of_its_projects_have_for_it(ada, settings, tmp_path):
    settings.PROJECTS_DIR = tmp_path / "projects"
    project = make.project(title="Lighthouse", team_agents=[ada])
    (project.folder / ".agents/skills/release").mkdir(parents=True)
    (project.folder / ".agents/skills/release/SKILL.md").write_text(
        "---\nname: release\ndescription: <b>Ship</b> it.\n---\n"
    )
    (project.folder / "AGENTS.md").write_text("Use tabs.")
    page = client_of(make.user()).get(f"/agents/{ada.pk}/tools")
    assert "&lt;b&gt;Ship&lt;/b&gt; it." in page.content.decode()
    assert all(words in text_of(page.content.decode()) for words in ("Lighthouse", "AGENTS.md", "release"))
    stranger = client_of(make.user(may=["agents.view_agent"]))
    assert "Lighthouse" not in text_of(html(stranger, f"/agents/{ada.pk}/tools"))


def test_the_command_names_servers_that_cannot_be_used_here(ada, settings):
    settings.MCP_COMMANDS = {}
    told = io.StringIO()
    with pytest.raises(CommandError):
        call_command("check_agents", "--quiet", stdout=told)
    assert "Ada, MCP server parrot: " in told.getvalue()


@pytest.mark.parametrize(
    ("backend", "servers"),
    [("demo", {"a": {"command": "parrot"}}), ("pydantic_ai", {"a": {"command": "rm"}}), ("pydantic_ai", [])],
)
def test_an_agent_with_servers_that_it_cannot_have_is_refused_with_the_option(ada, backend, servers):
    body = {"name": "n", "role": "r", "backend": backend, "backend_options": {"mcp_servers": servers}}
    answer = Api().post("agents", body)
    assert answer.status_code == 400
    assert "mcp_servers" in answer.json()["backend_options"][0]
