"""The Claude backend with the real Claude CLI, which calls aimock instead of Anthropic."""

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agents import isolation
from agents.backends import claude, registry
from agents.backends.base import BackendError, BackendEvent, EventType, Session
from agents.backends.claude import ClaudeAgentSDK
from agents.backends.claude.installation import cli_path
from agents.backends.programs.presets import CLAUDES_LOGIN
from agents.redaction import shown_error
from tests.agents.follow import Followed, follow
from tests.agents.test_command_apart import folder_of, pids
from tests.needs import lack
from tests.servers import wait_until
from tests.supervisor.processes import is_alive

STOP_SECONDS = 6.0  # the two of the contract, plus what a busy machine needs


@pytest.fixture
def home(monkeypatch, tmp_path, settings) -> Path:
    """Use a home of the test's own, without a login, and no sandbox, which has its own tests."""
    settings.AGENT_ISOLATION = "none"
    settings.MISSION_CONTROL_COMMANDS = {}
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in (*CLAUDES_LOGIN.variables, "CLAUDE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def workdir(home, tmp_path, monkeypatch, aimock) -> Path:
    """Return a project's folder in a data folder, with a key for aimock."""
    try:
        cli_path()
    except BackendError as error:
        lack(str(error))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-operators-own-0123456789")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", aimock.root_url)
    (tmp_path / "data/projects/p").mkdir(parents=True)
    (tmp_path / "data/access_token").write_text("secret of the server")
    return tmp_path / "data/projects/p"


async def ask(workdir: Path, model: str, *, earlier: str = "", prompt: str = "Go.", **options) -> Followed:
    options["model"] = model
    registry.check_options("claude_agent_sdk", options)
    backend = ClaudeAgentSDK()
    backend.earlier_session = earlier
    return await follow(backend, prompt, options, workdir)


async def test_an_answer_streams_in_pieces_thoughts_first_and_ends_with_the_usage(workdir):
    seen = await ask(workdir, "hello")
    assert seen.error == ""
    assert seen.text(EventType.THINKING) == "Let me think."
    assert seen.text() == "Hello there, this answer comes in pieces."
    assert len(seen.events) > 5
    assert (seen.usage.model, seen.usage.input_tokens, seen.usage.output_tokens) == ("hello", 1000, 2000)
    assert seen.session


async def test_the_prompt_is_taken_as_it_stands(workdir, aimock):
    (workdir / "secret.txt").write_text("a secret that was not asked for")
    await ask(workdir, "hello", prompt="/help me with @secret.txt")
    said = str(aimock.requests_for("hello")[-1]["body"]["messages"])
    assert "/help me with @secret.txt" in said
    assert "a secret that was not asked for" not in said


async def test_a_file_of_its_folder_may_be_edited_and_the_tool_and_its_result_are_told(workdir):
    seen = await ask(workdir, "claude-writes")
    assert (seen.error, seen.text()) == ("", "Written.")
    use, result = [event for event in seen.events if event.type in {EventType.TOOL_USE, EventType.TOOL_RESULT}]
    assert (use.content, use.metadata["input"]["content"]) == ("Write", "hi")
    assert result.metadata["id"] == use.metadata["id"]
    assert (workdir / "note.txt").read_text() == "hi"
    assert seen.usage.input_tokens == 2000  # of both requests


async def test_what_needs_somebodys_consent_is_refused_and_told(workdir):
    seen = await ask(workdir, "claude-runs")
    assert not (workdir / "ran").exists()
    assert "not allowed to use Bash" in seen.text(EventType.STATUS)


async def test_an_allowed_tool_is_used_unasked(workdir):
    seen = await ask(workdir, "claude-runs", allowed_tools=["Bash(python3 *)"])
    assert seen.error == ""
    assert (workdir / "ran").exists()


async def test_a_tool_that_it_does_not_get_is_not_offered_to_the_model(workdir, aimock):
    await ask(workdir, "gpt-4o-mini", disallowed_tools=["Bash"], permission_mode="plan")
    offered = {tool["function"]["name"] for tool in aimock.requests_for("gpt-4o-mini")[-1]["body"]["tools"]}
    assert "Write" in offered and "Bash" not in offered


async def test_the_limit_of_turns_ends_the_run_with_a_reason(workdir):
    seen = await ask(workdir, "claude-writes", max_turns=1)
    assert seen.error == "Claude reached the limit of 1 turns; raise `max_turns`"
    assert (workdir / "note.txt").exists()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("no-such-key", "Anthropic refused the key or login (HTTP 401). Check ANTHROPIC_API_KEY"),
        ("no-such-model", "Anthropic does not know the model (HTTP 404)"),
    ],
)
async def test_a_failure_before_the_answer_is_told_in_words_for_people(workdir, monkeypatch, model, message):
    seen = await ask(workdir, model)
    assert seen.text() == ""
    assert message in seen.error
    assert "sk-" not in seen.error
    assert shown_error(seen.error) == seen.error


async def test_a_server_that_fails_again_and_again_is_told_with_each_attempt(workdir):
    seen = await ask(workdir, "out-of-order")
    assert "Anthropic failed (HTTP 500); try again later" in seen.error
    assert seen.text(EventType.STATUS).count("retried") == 3  # the configured number of retries


async def test_after_connections_that_break_in_mid_answer_the_whole_of_it_is_said(workdir):
    seen = await ask(workdir, "broken-off")
    assert seen.error == ""
    assert seen.text().startswith("one \n\none ") and seen.text().endswith("\n\none two three four five six")
    assert seen.text(EventType.STATUS).count("retried") == 3


async def test_a_later_run_goes_on_with_the_conversation(workdir, aimock):
    first = await ask(workdir, "hello", prompt="Remember the number 4711.")
    second = await ask(workdir, "hello", prompt="Which number?", earlier=first.session)
    assert (second.error, second.text(EventType.STATUS)) == ("", "")
    said = str(aimock.requests_for("hello")[-1]["body"]["messages"])
    assert "Remember the number 4711." in said and "Hello there, this answer comes in pieces." in said
    assert second.session not in ("", first.session)


async def test_a_later_run_goes_on_with_a_conversation_that_was_stopped(workdir, aimock):
    session = await stopped_in_two_seconds(
        workdir, {"model": "slow"}, until=lambda seen: "one" in seen, prompt="Remember the number 4712."
    )
    seen = await ask(workdir, "hello", prompt="Which number?", earlier=session)
    assert (seen.error, seen.text(EventType.STATUS)) == ("", "")
    assert "Remember the number 4712." in str(aimock.requests_for("hello")[-1]["body"]["messages"])


async def test_a_later_run_goes_on_with_a_conversation_that_failed(workdir, aimock):
    failed = await ask(workdir, "no-such-model", prompt="Remember the number 4713.")
    assert failed.error and failed.session
    seen = await ask(workdir, "hello", prompt="Which number?", earlier=failed.session)
    assert (seen.error, seen.text(EventType.STATUS)) == ("", "")
    assert "Remember the number 4713." in str(aimock.requests_for("hello")[-1]["body"]["messages"])


async def test_the_cost_is_that_of_the_run_and_told_where_the_price_is_known(workdir):
    first = await ask(workdir, "claude-haiku-4-5")
    second = await ask(workdir, "claude-haiku-4-5", earlier=first.session)
    assert first.usage == second.usage
    assert first.usage.cost_usd == pytest.approx(1000 * 1e-6 + 2000 * 5e-6)
    assert (await ask(workdir, "hello")).usage.cost_usd is None


async def test_a_conversation_that_is_gone_is_begun_anew_and_that_is_said(workdir):
    seen = await ask(workdir, "hello", earlier="0f0f0f0f-1111-4222-8333-444444444444")
    assert (seen.error, seen.text()) == ("", "Hello there, this answer comes in pieces.")
    assert seen.text(EventType.STATUS) == "The earlier conversation no longer exists; starting a new one"


async def test_a_name_of_a_conversation_is_never_an_option_of_the_program(workdir):
    arguments = list(claude._arguments({"model": "m"}, "--dangerously-skip-permissions"))
    assert not [word for word in arguments if "dangerously" in word or "resume" in word]


# ---------------------------------------------------------------- stops
async def test_a_stop_leaves_nothing_within_two_seconds_and_closes_the_request(workdir):
    await stopped_in_two_seconds(workdir, {"model": "slow"}, until=lambda seen: "one" in seen)


async def test_a_stop_ends_what_a_tool_has_started_too(workdir):
    await stopped_in_two_seconds(
        workdir,
        {"model": "claude-sleeps", "allowed_tools": ["Bash"]},
        until=lambda seen: any(command_of(pid).strip() == "sleep 321" for pid in at_work_in(workdir)),
    )


async def stopped_in_two_seconds(workdir: Path, options: dict, until, prompt: str = "Go.") -> str:
    """Stop Claude, see that nothing of it is left, and return the name of its conversation."""
    said: list[str] = []
    sessions: list[str] = []

    async def listen() -> None:
        async for item in ClaudeAgentSDK().stream(prompt, options, workdir):
            said.extend([item.content] if isinstance(item, BackendEvent) else [])
            sessions.extend([item.id] if isinstance(item, Session) else [])

    task = asyncio.create_task(listen())
    while not until("".join(said)):
        assert not task.done(), f"it ended by itself: {task.exception()}, {said}"
        await asyncio.sleep(0.05)
    assert at_work_in(workdir)
    begun = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - begun < STOP_SECONDS
    assert at_work_in(workdir) == []
    return sessions[-1]


def test_nothing_is_left_when_the_worker_is_killed(workdir):
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from agents.backends.claude import ClaudeAgentSDK\n"
        "from agents.backends.programs.allowed import Allowed, read_allowed_from\n"
        "read_allowed_from(lambda: Allowed({}, 'none'))\n"
        "async def main():\n"
        "    async for item in ClaudeAgentSDK().stream('Go.', {'model': 'slow'}, Path(sys.argv[1])):\n"
        "        print(item, flush=True)\n"
        "asyncio.run(main())"
    )
    checkout = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", code, str(workdir)], cwd=checkout, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert any("one" in line for line in worker.stdout)
        assert at_work_in(workdir)
        worker.send_signal(signal.SIGKILL)
    wait_until(lambda: at_work_in(workdir) == [], what="all of Claude to end")


def at_work_in(workdir: Path) -> list[int]:
    """Return the living processes whose working folder this is."""
    return [pid for pid in map(int, pids()) if is_alive(pid) and folder_of(pid) == str(workdir)]


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


# ---------------------------------------------------------------- the sandbox
@pytest.fixture
def apart(settings, workdir, tmp_path) -> Path:
    if problem := isolation.bubblewrap_problem():
        lack(problem)
    settings.AGENT_ISOLATION = "bubblewrap"
    settings.CLOSED_TO_AGENTS = [tmp_path / "data"]
    return workdir


async def test_apart_it_works_in_its_folder_and_does_not_see_the_servers_files(apart):
    seen = await ask(apart, "claude-looks", allowed_tools=["Bash"])
    assert (seen.error, seen.text()) == ("", "Done.")
    [result] = [event.content for event in seen.events if event.type == EventType.TOOL_RESULT]
    assert "No such file" in result and "secret of the server" not in result


async def test_apart_a_conversation_outlives_its_run_and_a_stop_leaves_nothing(apart):
    first = await ask(apart, "hello")
    second = await ask(apart, "hello", earlier=first.session)
    assert (second.error, second.text(EventType.STATUS)) == ("", "")
    await stopped_in_two_seconds(apart, {"model": "slow"}, until=lambda seen: "one" in seen)


async def test_the_servers_own_variables_do_not_reach_it(workdir, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "the-servers-own")
    order = claude._launch_spec({}, workdir, "")
    assert "SECRET_KEY" not in order.environment
    assert order.environment["ANTHROPIC_API_KEY"].startswith("sk-ant-operators")


# ---------------------------------------------------------------- what can be missing
def test_without_key_and_login_it_says_so(home):
    (home / ".claude").mkdir()
    if reason := unavailable():
        lack(reason)
    assert ClaudeAgentSDK.missing().startswith("Set ANTHROPIC_API_KEY in the environment of the worker, or log in")
    (home / ".claude/.credentials.json").write_text('{"claudeAiOauth": {"accessToken": "x"}}')
    assert ClaudeAgentSDK.missing() is None


def unavailable() -> str:
    try:
        return cli_path() and ""
    except BackendError as error:
        return str(error)


@pytest.mark.parametrize(
    "options", [{"allowed_tools": ["WebSearch", "Bash(git *)"]}, {"permission_mode": "bypassPermissions"}]
)
async def test_what_reaches_beyond_its_folder_is_refused_where_agents_should_have_a_sandbox_and_cannot(
    workdir, settings, monkeypatch, options
):
    monkeypatch.setattr(isolation, "bubblewrap_problem", lambda: "bubblewrap is not installed")
    settings.AGENT_ISOLATION = "auto"
    seen = await ask(workdir, "hello", **options)
    assert "it reaches beyond its folder, and there is no sandbox here" in seen.error
    assert shown_error(seen.error) == seen.error
    assert (await ask(workdir, "hello", allowed_tools=["WebSearch"])).error == ""


@pytest.mark.parametrize(
    "options",
    [
        {"model": "--dangerously-skip-permissions"},
        {"model": "a b"},
        {"permission_mode": "default"},
        {"allowed_tools": ["Bash --mcp-config x"]},
        {"allowed_tools": ["Bash(a)\n"]},
        {"allowed_tools": "Bash"},
        {"max_turns": 0},
        {"api_key": "sk"},
    ],
)
def test_an_option_that_could_mean_something_else_is_refused(options):
    with pytest.raises(registry.OptionsError):
        registry.check_options("claude_agent_sdk", options)
