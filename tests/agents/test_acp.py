"""The backend `acp` with agents that follow the protocol: what they say, may do, and how their runs end."""

import asyncio
import json
from contextlib import aclosing
from pathlib import Path

import pytest

from agents.backends import registry
from agents.backends.acp import ACP
from agents.backends.base import BackendEvent, EventType, QuotaUsedUp, TransientError
from agents.backends.command import Command
from tests.agents.follow import Followed, follow


async def heard(folder: Path, prompt: str, *, earlier: str = "", **options) -> Followed:
    options = {"command": "actor", **options}
    registry.check_options("acp", options)
    backend = ACP()
    backend.earlier_session = earlier
    return await follow(backend, prompt, options, folder)


def tools(seen: Followed) -> list[tuple[str, bool]]:
    """Return the name of each tool, and whether it was refused."""
    refused = {
        event.metadata["id"]: event.metadata.get("refused", False)
        for event in seen.events
        if event.type == EventType.TOOL_RESULT
    }
    uses = [event for event in seen.events if event.type == EventType.TOOL_USE]
    return [(event.content, refused[event.metadata["id"]]) for event in uses]


async def test_all_that_an_agent_tells_becomes_events_in_order(acp_agent, folder):
    acp_agent()
    seen = await heard(folder, "talk")
    assert seen.error == ""
    assert [(event.type.value, event.content) for event in seen.events] == [
        ("thinking", "Hm."),
        ("message", "Let me see."),
        ("status", "The agent changed its mode to build"),
        ("status", "Plan:\n[x] look\n[>] tell"),
        ("tool_use", "read"),
        ("tool_result", "A"),
        ("tool_use", "edit"),
        ("tool_result", "--- a\n+++ a\n@@ -1 +1 @@\n-old\n+new"),
        ("message", "\n\n"),
        ("message", "The answer "),
        ("message", "of openai/gpt-4o."),
    ]
    assert seen.events[4].metadata == {"id": "t1", "input": {"title": "Reading", "path": "a"}}
    assert (seen.session, seen.answer) == ("session-1", "The answer of openai/gpt-4o.")
    assert (seen.usage.model, seen.usage.input_tokens, seen.usage.output_tokens) == ("openai/gpt-4o", 1500, 2000)
    assert seen.usage.cost_usd == pytest.approx(0.023125)


async def test_a_model_of_the_operators_list_is_set_in_the_session(acp_agent, folder):
    acp_agent(models=["openai/gpt-4o-mini", "openai/none"])
    seen = await heard(folder, "talk", model="openai/gpt-4o-mini")
    assert (seen.answer, seen.usage.model) == ("The answer of openai/gpt-4o-mini.", "openai/gpt-4o-mini")
    seen = await heard(folder, "talk", model="openai/none")
    assert seen.error == (
        "`actor` does not offer the model `openai/none`; it offers openai/gpt-4o, openai/gpt-4o-mini"
    )
    assert "can choose these models only" in (await heard(folder, "talk", model="other")).error


# ---------------------------------------------------------------- permissions
async def test_work_on_files_of_the_folder_is_allowed_once_and_all_else_is_refused(acp_agent, folder):
    acp_agent()
    inside, outside = folder / "a.txt", folder.parent / "b.txt"
    seen = await heard(folder, f"ask read edit@{inside} edit@{outside} execute fetch other")
    assert seen.answer == "reject_once"
    assert seen.text().split() == ["allow_once"] * 2 + ["reject_once"] * 4
    assert tools(seen) == [
        *[("read", False), ("edit", False), ("edit", True)],
        *[("execute", True), ("fetch", True), ("A other", True)],
    ]
    refusals = [event.content for event in seen.events if event.metadata.get("refused")]
    assert refusals[:2] == [
        "Not allowed: the path leads out of the working folder",
        "Not allowed: this agent may not use tools of the kind `execute`",
    ]


async def test_permissions_by_kind_replace_the_default(acp_agent, folder):
    acp_agent()
    seen = await heard(folder, "ask edit execute", permissions={"execute": "allow", "edit": "reject"})
    assert tools(seen) == [("edit", True), ("execute", False)]


async def test_an_agent_that_was_refused_and_says_nothing_has_no_answer(acp_agent, folder):
    acp_agent(env=["SILENT=1"])
    seen = await heard(folder, "ask execute")
    assert (seen.error, seen.answer, tools(seen)) == ("", "", [("execute", True)])


def test_permissions_are_kinds_of_tools_and_yes_or_no():
    for wrong in ({"shell": "allow"}, {"edit": "ask"}, "allow", {"edit": True}):
        with pytest.raises(registry.OptionsError, match="permissions"):
            registry.check_options("acp", {"permissions": wrong})


def test_commands_are_not_allowed_where_a_sandbox_is_wanted_and_lacking(acp_agent, settings, monkeypatch):
    acp_agent()
    settings.AGENT_ISOLATION = "auto"
    monkeypatch.setattr("agents.isolation.method", lambda _: "none")
    reaching = {"command": "actor", "permissions": {"execute": "allow"}}
    assert "there is no sandbox here" in ACP.missing_for(reaching)
    assert ACP.missing_for({**reaching, "permissions": {"edit": "allow", "execute": "reject"}}) is None


# ---------------------------------------------------------------- files and terminals
async def test_files_of_the_folder_are_read_and_written_and_no_others(acp_agent, folder):
    acp_agent()
    secret = folder.parent / "secret"
    secret.write_text("hidden")
    (folder / "link").symlink_to(secret)
    (folder / "way").symlink_to(folder.parent)
    (folder / "lines").write_text("one\ntwo\nthree\n")
    (folder / "image").write_bytes(b"\x89PNG\xff")
    with (folder / "large").open("wb") as file:
        file.truncate(6_000_000)
    seen = await heard(
        folder,
        f"files read:lines second:lines read:none read:link read:../secret read:{secret} read:image read:large "
        "read:. write:new/file write:link write:way/stolen write:.",
    )
    assert seen.text().splitlines() == [
        "read: 'one\\ntwo\\nthree\\n'",
        "second: 'two\\n'",
        "read: -32002 None",
        *["read: -32602 The path leads out of the working folder"] * 3,
        "read: -32602 The file is not UTF-8 text",
        "read: -32602 The file has more than 5,000,000 bytes",
        "read: -32602 Not a regular file",
        "write: done",
        *["write: -32602 The path leads out of the working folder"] * 2,
        "write: -32602 The path is the folder itself",
    ]
    assert (folder / "new/file").read_text() == "by the agent"
    assert (secret.read_text(), (folder.parent / "stolen").exists()) == ("hidden", False)


async def test_what_we_can_do_for_an_agent_is_said_and_nothing_else_is_done(acp_agent, folder):
    acp_agent()
    can = json.loads((await heard(folder, "capabilities")).answer)
    assert (can["fs"], can["terminal"]) == ({"read_text_file": True, "write_text_file": True}, False)
    seen = await heard(folder, "capabilities", permissions={"edit": "reject"})
    assert json.loads(seen.answer)["fs"] == {"read_text_file": True, "write_text_file": False}
    seen = await heard(folder, "files write:new", permissions={"edit": "reject"})
    assert seen.answer.startswith("write: -32601") and not (folder / "new").exists()
    assert (await heard(folder, "terminal")).answer == "Method not found"


# ---------------------------------------------------------------- sessions and logins
async def test_an_earlier_session_is_continued_without_its_output(acp_agent, folder):
    kept = acp_agent()
    (kept / "session-0").write_text("")
    seen = await heard(folder, "end end_turn", earlier="session-0")
    assert (seen.error, seen.session, seen.text()) == ("", "session-0", "so far")
    assert not seen.text(EventType.STATUS)


@pytest.mark.parametrize(
    ("env", "why"), [([], "no longer exists"), (["FORGETFUL=1"], "cannot be continued by this agent")]
)
async def test_a_session_that_cannot_be_continued_is_said_and_a_new_one_begins(acp_agent, folder, env, why):
    acp_agent(env=env)
    seen = await heard(folder, "end end_turn", earlier="session-0")
    assert (seen.session, seen.answer) == ("session-1", "so far")
    assert seen.text(EventType.STATUS) == f"The earlier conversation {why}; starting a new one"


async def test_a_missing_login_is_said_and_nobody_is_asked(acp_agent, folder):
    acp_agent(env=["LOGIN=1"])
    seen = await heard(folder, "talk")
    assert seen.error.startswith("`actor` is not logged in. Log in on the machine of the worker")


async def test_an_agent_is_logged_in_by_a_key_that_it_has(acp_agent, folder, monkeypatch):
    from agents.backends.programs.presets import PRESETS, AcpMode

    preset = PRESETS["codex-acp"].__class__(argv=("x",), format="acp", acp=AcpMode(logins=(("key", "MY_KEY"),)))
    monkeypatch.setitem(PRESETS, "keyed", preset)
    acp_agent(preset="keyed", env=["LOGIN=1", "MY_KEY=secret"])
    assert (await heard(folder, "end end_turn")).answer == "so far"


# ---------------------------------------------------------------- ends
@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("max_turn_requests", "`actor` reached its limit of requests to the model"),
        ("refusal", "`actor` refused to continue"),
        ("cancelled", "`actor` cancelled its work without being asked to"),
    ],
)
async def test_an_end_that_is_no_success_is_an_error(acp_agent, folder, reason, error):
    acp_agent()
    seen = await heard(folder, f"end {reason}")
    assert (seen.error, seen.text(), seen.answer) == (error, "so far", None)


async def test_an_answer_that_was_cut_off_is_said(acp_agent, folder):
    acp_agent()
    seen = await heard(folder, "end max_tokens")
    assert (seen.error, seen.answer) == ("", "so far")
    assert "limit of tokens" in seen.text(EventType.STATUS)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("-32603 no such thing", "BackendError"),
        ("429 Too many requests", TransientError.__name__),
        ("-32603 upstream answered 503 Service Unavailable", TransientError.__name__),
        ("429 Your quota will reset after 10h22m7s", QuotaUsedUp.__name__),
        ("-32603 HTTP 401 Unauthorized", "BackendError"),
    ],
)
async def test_an_agents_error_is_shown_and_of_its_kind(acp_agent, folder, words, kind):
    acp_agent()
    with pytest.raises(Exception, match="`actor` failed: It failed") as failed:
        async for _ in ACP().stream(f"fail {words}", {"command": "actor"}, folder):
            pass
    assert type(failed.value).__name__ == kind
    assert words.partition(" ")[2] in str(failed.value)


async def test_a_stop_cancels_the_prompt_before_the_agent_is_ended(acp_agent, folder):
    kept = acp_agent()

    async with asyncio.timeout(60), aclosing(ACP().stream("wait", {"command": "actor"}, folder)) as items:
        async for item in items:
            if isinstance(item, BackendEvent) and item.content == "waiting":
                break
    assert (kept / "cancelled").exists()


# ---------------------------------------------------------------- programs that can be chosen
def test_each_backend_offers_the_programs_that_it_understands(settings):
    settings.MISSION_CONTROL_COMMANDS = {
        "claude": {},
        "gemini": {},
        "codex-acp": {},
        "other": {"preset": "gemini", "argv": ["gemini", "--yolo"]},
        "mine": {"argv": ["mine"], "format": "acp", "models": ["small"]},
    }
    assert ACP.setup({}).choices["command"] == ["gemini", "codex-acp", "mine"]
    assert Command.setup({}).choices["command"] == ["claude", "gemini", "other"]
    option, why = ACP.wrong_choice({"command": "claude"})
    assert option == "command" and '"format": "acp"' in why
    option, why = Command.wrong_choice({"command": "mine"})
    assert option == "command" and "use the backend `acp`" in why
    assert ACP.wrong_choice({"command": "mine", "model": "small"}) is None
    assert ACP.wrong_choice({"command": "mine", "model": "large"})[0] == "model"
