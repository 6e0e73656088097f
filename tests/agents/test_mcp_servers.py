"""MCP servers for agents: the rules of the option, and the client with real servers of the official SDK."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

from agents import isolation
from agents.backends import registry
from agents.backends.base import BackendError
from agents.backends.mcp_servers import client
from agents.backends.mcp_servers.definitions import McpServer
from agents.backends.mcp_servers.forms import FORMS, given_servers
from agents.backends.mcp_servers.starting import check_servers, usable_servers
from agents.backends.programs.allowed import allowed
from agents.backends.programs.launch import environment_of
from agents.backends.programs.mcp_settings import McpCommand, mcp_commands, mcp_variables, secrets_of
from agents.backends.pydantic_ai.answer import server_tools
from tests.needs import lack, need

SERVER = str(Path(__file__).with_name("mcp_server.py"))
TOKEN = "parrot-feathers-4711"
TOOLS = ["repeat", "look", "refuse"]


@pytest.fixture(autouse=True)
def operator(settings):
    """Allow a parrot on standard input and output, and no sandbox, which has its own tests."""
    settings.AGENT_ISOLATION = "none"
    settings.MCP_COMMANDS = {"parrot": McpCommand.of("parrot", [sys.executable, SERVER, "stdio"])}
    settings.MCP_HOSTS, settings.MCP_VARIABLES = [], frozenset()
    return settings


@pytest.fixture(scope="module")
def parrot_url():
    """Start a parrot on a free port that answers only to its passphrase."""
    environment = {**os.environ, "PASSPHRASE": TOKEN}
    command = [sys.executable, SERVER, "http"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/mcp"
        finally:
            process.terminate()


@pytest.fixture
def url(parrot_url, settings, monkeypatch):
    """Allow the parrot at its address, and give the worker its token."""
    settings.MCP_HOSTS = ["127.0.0.1"]
    settings.MCP_VARIABLES = frozenset({("PARROT_TOKEN", "127.0.0.1")})
    monkeypatch.setenv("PARROT_TOKEN", TOKEN)
    return parrot_url


def refusal(**server) -> str:
    try:
        registry.check_choices("pydantic_ai", {"mcp_servers": {"parrot": server}})
    except registry.OptionsError as error:
        return str(error)
    return ""


# ---------------------------------------------------------------- the rules
@pytest.mark.parametrize(
    ("server", "reason"),
    [
        ({"command": "parrot"}, ""),
        ({"command": "rm"}, "unknown program"),
        ({"command": "sh -c id"}, "never a command line"),
        ({"command": ["sh"]}, "must be a string"),
        ({"argv": ["sh"]}, "Unknown option"),
        ({}, "either a `url` or a `command`"),
        ({"command": "parrot", "url": "https://mcp.example.com"}, "either a `url` or a `command`"),
        ({"command": "parrot", "headers": {"X-A": "b"}}, "only a server with a `url`"),
        ({"url": "https://mcp.example.com/mcp"}, ""),
        ({"url": "file:///etc/passwd"}, "http or https"),
        ({"url": "https://user:pass@mcp.example.com"}, "without a login"),
        ({"url": "http://mcp.example.com"}, "public https"),
        ({"url": "https://localhost/mcp"}, "public https"),
        ({"url": "https://10.0.0.1/mcp"}, "public https"),
        ({"url": "https://[::1]/mcp"}, "public https"),
        ({"url": "https://2130706433/mcp"}, "public https"),
        ({"url": "https://169.254.169.254/latest"}, "link-local"),
        ({"url": "https://mcp.example.com/${ANTHROPIC_API_KEY}"}, "without a login, `$`"),
        ({"url": "https://mcp.example.com/$ANTHROPIC_API_KEY"}, "without a login, `$`"),
        ({"url": "https://mcp.example.com/{env:ANTHROPIC_API_KEY}"}, "without a login, `$`"),
        ({"url": "https://mcp.example.com/{file:~/.ssh/id}"}, "without a login, `$`"),
        ({"url": "https://mcp.example.com", "headers": {"X-A": "${GITHUB_TOKEN:-x}"}}, "only as ${NAME}"),
        ({"url": "https://mcp.example.com", "headers": {"X-A": "$GITHUB_TOKEN"}}, "only as ${NAME}"),
        ({"url": "https://mcp.example.com", "headers": {"X-A": "{file:~/.netrc}"}}, "only as ${NAME}"),
        ({"url": "https://mcp.example.com?api_key=abcdef0123456789"}, "belongs in a variable"),
        ({"url": "https://mcp.example.com", "headers": {"Host": "inside"}}, "may not set the header"),
        ({"url": "https://mcp.example.com", "headers": {"Authorization": "Bearer abc"}}, "from the environment"),
        ({"url": "https://mcp.example.com", "headers": {"X-A": "sk-abcdefghijklmnopqrstu"}}, "from the environ"),
        ({"url": "https://mcp.example.com", "headers": {"X-A": "${SECRET_KEY}"}}, "may not use SECRET_KEY"),
        ({"url": "https://mcp.example.com", "headers": {"X-A": "a\nb"}}, "one line"),
        ({"url": "https://mcp.example.com", "headers": {"X-Team": "blue"}}, ""),
    ],
)
def test_a_server_is_accepted_only_as_the_operator_allows_it(server, reason):
    refused = refusal(**server)
    assert reason in refused if reason else not refused


def test_a_variable_is_sent_only_to_the_host_to_which_the_operator_has_bound_it(settings):
    settings.MCP_VARIABLES = mcp_variables("GITHUB_TOKEN@api.example.com, OTHER@mcp.example.com")
    headers = {"Authorization": "Bearer ${GITHUB_TOKEN}"}
    assert refusal(url="https://api.example.com/mcp", headers=headers) == ""
    assert refusal(url="https://api.example.com/mcp", headers={"Authorization": "env:GITHUB_TOKEN"}) == ""
    assert "may not use GITHUB_TOKEN" in refusal(url="https://evil.example.org/mcp", headers=headers)


def test_where_the_operator_lists_hosts_agents_may_name_only_these(settings):
    settings.MCP_HOSTS = ["tools.internal:8080", "mcp.example.com"]
    assert refusal(url="http://tools.internal:8080/mcp") == ""
    assert "does not allow" in refusal(url="http://tools.internal:9090/mcp")
    assert "does not allow" in refusal(url="https://elsewhere.example.com")


def test_a_backend_without_tools_refuses_the_option():
    with pytest.raises(registry.OptionsError, match="Unknown option"):
        registry.check_choices("demo", {"mcp_servers": {"parrot": {"command": "parrot"}}})


@pytest.mark.parametrize("name", ["a b", "a/b", "__proto__", "", "a_b"])
def test_a_servers_name_is_a_plain_word(name):
    with pytest.raises(registry.OptionsError, match="keys are names"):
        registry.check_choices("pydantic_ai", {"mcp_servers": {name: {"command": "parrot"}}})


@pytest.mark.parametrize(
    "text",
    ["[]", '{"a": "npx b"}', '{"a": {"env": ["X"]}}', '{"a": {"argv": ["x"], "env": ["SECRET_KEY"]}}', "{"],
)
def test_a_mistake_in_the_setting_of_programs_is_reported_at_start(text):
    with pytest.raises(Exception, match=r"."):
        mcp_commands(text)


# ---------------------------------------------------------------- real servers
async def test_a_program_is_started_and_lists_its_tools(tmp_path):
    (found,) = await check_servers({"mcp_servers": {"parrot": {"command": "parrot"}}}, tmp_path)
    assert (found.failure, [tool.name for tool in found.tools]) == ("", TOOLS)


async def test_a_program_gets_only_the_variables_that_the_operator_has_listed(tmp_path, settings, monkeypatch):
    argv = [sys.executable, SERVER, "stdio"]
    settings.MCP_COMMANDS = {"parrot": McpCommand.of("parrot", {"argv": argv, "env": ["PARROT_MOOD=calm"]})}
    (server,) = (await usable_servers({"mcp_servers": {"parrot": {"command": "parrot"}}}, tmp_path)).servers
    async with client.connected(server, tmp_path) as connection:
        assert await connection.call("repeat", {"text": "hi"}) == "hi, hi! calm"
        assert (await connection.call("refuse", {})).startswith("The tool failed")
        assert "failed" in await connection.call("no-such-tool", {})


async def test_a_program_sees_neither_the_servers_files_nor_its_variables(tmp_path, settings, monkeypatch):
    need("bwrap", "servers that run apart")
    if problem := isolation.bubblewrap_problem():
        lack(problem)
    settings.AGENT_ISOLATION, settings.CLOSED_TO_AGENTS = "bubblewrap", [tmp_path / "data"]
    workdir = tmp_path / "data/projects/p"
    workdir.mkdir(parents=True)
    (tmp_path / "data/access_token").write_text("secret")
    monkeypatch.setenv("MISSION_CONTROL_KEY", "not for agents")
    monkeypatch.setenv("PROVIDERS_API_KEY", "not for servers")
    readable = [str(Path(sys.prefix).resolve()), str(Path(SERVER).parent), sys.prefix]
    given = {"argv": [sys.executable, SERVER, "stdio"], "readable": readable, "env": ["PARROT_MOOD=calm"]}
    settings.MCP_COMMANDS = {"parrot": McpCommand.of("parrot", given)}
    server = McpServer("parrot", command_name="parrot")
    async with client.connected(server, workdir) as connection:
        told = await connection.call("look", {"path": str(tmp_path / "data/access_token")})
        assert told.startswith("False") and "PARROT_MOOD" in told
        assert "KEY" not in told
        assert (await connection.call("look", {"path": str(workdir)})).startswith("True")


async def test_a_server_at_an_address_gets_its_header_from_the_environment(url, tmp_path):
    headers = {"Authorization": "Bearer ${PARROT_TOKEN}"}
    (found,) = await check_servers({"mcp_servers": {"parrot": {"url": url, "headers": headers}}}, tmp_path)
    assert (found.failure, [tool.name for tool in found.tools]) == ("", TOOLS)


def test_what_the_operator_gives_to_servers_is_secret_whatever_its_name(monkeypatch):
    monkeypatch.setenv("PARROT_WORD", TOKEN)
    commands = {"parrot": McpCommand.of("parrot", {"argv": ["p"], "env": ["MOOD=calm", "API_KEY=feathers-0815"]})}
    assert [*secrets_of(commands, {("PARROT_WORD", "mcp.example.com")})] == [TOKEN, "feathers-0815"]


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["sh", "-c", "echo the cage is empty >&2; exit 3"], "the cage is empty"),
        (["sh", "-c", "exit 3"], "exit status 3"),
        (["no-such-program-here"], "not in the PATH"),
    ],
)
async def test_a_program_that_does_not_start_is_named_with_its_reason(tmp_path, settings, argv, reason):
    settings.MCP_COMMANDS = {"parrot": McpCommand.of("parrot", argv)}
    started = await usable_servers({"mcp_servers": {"parrot": {"command": "parrot"}}}, tmp_path)
    assert started.servers == []
    (notice,) = started.notices
    assert notice.type == "status"
    assert "`parrot` did not start" in notice.content
    assert reason in notice.content


async def test_a_required_server_that_does_not_start_ends_the_run(tmp_path, settings):
    settings.MCP_COMMANDS = {"parrot": McpCommand.of("parrot", ["sh", "-c", "exit 3"])}
    with pytest.raises(BackendError, match="`parrot`, which the agent requires, did not start"):
        await usable_servers({"mcp_servers": {"parrot": {"command": "parrot", "required": True}}}, tmp_path)


async def test_a_refused_login_a_missing_variable_and_a_closed_port_are_named(url, tmp_path, monkeypatch):
    servers = {
        "stranger": {"url": url},
        "keyless": {"url": url, "headers": {"Authorization": "Bearer ${PARROT_TOKEN}"}},
        "closed": {"url": "http://127.0.0.1:9/mcp"},
    }
    monkeypatch.delenv("PARROT_TOKEN")
    found = {one.server.name: one.failure for one in await check_servers({"mcp_servers": servers}, tmp_path)}
    assert "refused the login (HTTP 401)" in found["stranger"]
    assert found["keyless"] == "Set PARROT_TOKEN in the environment of the worker"
    assert "onnect" in found["closed"]


async def test_a_name_that_leads_inside_the_network_is_refused_when_it_is_resolved(tmp_path, monkeypatch):
    async def addresses_of(host):
        return ["10.0.0.7"]

    monkeypatch.setattr(client, "addresses_of", addresses_of)
    servers = {"inside": {"url": "https://mcp.example.com/mcp"}}
    (found,) = await check_servers({"mcp_servers": servers}, tmp_path)
    assert "inside the operator's network" in found.failure


async def test_an_endless_answer_is_not_read_to_its_end(tmp_path, settings, monkeypatch):
    monkeypatch.setattr(client, "ANSWER_BYTES", 100_000)
    settings.MCP_HOSTS = ["127.0.0.1"]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{"a": "')
            while True:
                writer.write(b"a" * 10_000)
                await writer.drain()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as endless:
        url = f"http://127.0.0.1:{endless.sockets[0].getsockname()[1]}/mcp"
        (found,) = await check_servers({"mcp_servers": {"endless": {"url": url}}}, tmp_path)
    assert found.failure == "its answer is larger than 100,000 bytes"


async def test_a_host_that_is_unknown_is_said_without_the_systems_number(tmp_path, monkeypatch):
    async def addresses_of(host):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(client, "addresses_of", addresses_of)
    (found,) = await check_servers({"mcp_servers": {"typo": {"url": "https://mcp.example.com/mcp"}}}, tmp_path)
    assert found.failure == "Name or service not known"


async def test_a_silent_server_is_given_up(tmp_path, settings, monkeypatch):
    monkeypatch.setattr(client, "START_SECONDS", 0.2)
    settings.MCP_COMMANDS = {"mute": McpCommand.of("mute", ["sleep", "600"])}
    (found,) = await check_servers({"mcp_servers": {"mute": {"command": "mute"}}}, tmp_path)
    assert "no answer within 0.2 seconds" in found.failure


def test_tools_whose_names_differ_only_in_what_a_provider_refuses_keep_apart():
    names = ["a.b", "a_b", "a b", "a_b_2", "é" * 100, "é" * 101]
    connection = client.Connection(None, [client.ServerTool(name, "", {"type": "object"}) for name in names])
    tools = server_tools("parrot", connection)
    Agent(TestModel(), tools=tools)  # refuses two tools of one name
    assert len({tool.name for tool in tools}) == len(names)
    assert all(re.fullmatch(r"mcp__parrot__[A-Za-z0-9_]{1,51}", tool.name) for tool in tools)


# ---------------------------------------------------------------- what programs get
@pytest.fixture
def token_server(settings, monkeypatch, tmp_path) -> McpServer:
    monkeypatch.setenv("PARROT_TOKEN", TOKEN)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    settings.MISSION_CONTROL_COMMANDS = {name: {} for name in FORMS}
    headers = {"Authorization": "Bearer ${PARROT_TOKEN}"}
    return McpServer("parrot", url="https://mcp.example.com/mcp", headers=headers)


@pytest.mark.parametrize("program", list(FORMS))
def test_the_value_of_a_header_is_in_no_argument_and_in_no_file(program, token_server):
    definition = allowed().definition(program)
    with given_servers(definition, [token_server]) as (made, words):
        variables = environment_of(made)
        assert f"Bearer {TOKEN}" in variables.values()
        folders = [Path(path) for path in made.writable if path not in definition.writable]
        files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
        told = "".join([*words, *(file.read_text() for file in files)])
        assert TOKEN not in told
        assert "mcp.example.com" in told + variables.get("OPENCODE_CONFIG_CONTENT", "")
    assert not any(folder.exists() for folder in folders)


def test_gemini_gets_a_home_with_the_users_settings_and_ours_and_keeps_its_conversations(token_server, tmp_path):
    users = tmp_path / "home/.gemini"
    (users / "history").mkdir(parents=True)
    (users / "settings.json").write_text('{"ui": {"theme": "x"}, "mcpServers": {"mine": {"command": "m"}}}')
    (users / "GEMINI.md").write_text("Be brief.")
    before = (users / "settings.json").read_text()
    with given_servers(allowed().definition("gemini"), [token_server]) as (made, _):
        folder = Path(environment_of(made)["GEMINI_CLI_HOME"], ".gemini")
        given = json.loads((folder / "settings.json").read_text())
        assert (given["ui"], set(given["mcpServers"])) == ({"theme": "x"}, {"mine", "parrot"})
        assert (folder / "GEMINI.md").read_text() == "Be brief."
        assert (folder / "tmp").resolve() == (users / "tmp").resolve()
        assert not (folder / "history").exists()
    assert (users / "settings.json").read_text() == before


@pytest.mark.parametrize("text", ["[]", '{"mcpServers": ["mine"]}', "[" * 100_000, "// no JSON"])
def test_settings_of_the_user_of_another_form_do_not_stop_a_run(token_server, tmp_path, text):
    users = tmp_path / "home/.gemini"
    users.mkdir(parents=True)
    (users / "settings.json").write_text(text)
    with given_servers(allowed().definition("gemini"), [token_server]) as (made, _):
        file = Path(environment_of(made)["GEMINI_CLI_HOME"], ".gemini/settings.json")
        assert set(json.loads(file.read_text())["mcpServers"]) == {"parrot"}
