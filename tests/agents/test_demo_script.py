"""The demo backend plays a script: a list of steps."""

import asyncio
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agents import isolation
from agents.backends import registry
from agents.backends.base import Answer, BackendError, BackendEvent, EventType, QuotaUsedUp, Session, Usage
from agents.backends.demo import Demo
from tests.agents.follow import Followed, follow
from tests.needs import lack, need


async def played(*steps: dict[str, Any], workdir: Path = Path(), prompt: str = "", session: str = "") -> Followed:
    backend = Demo()
    backend.earlier_session = session
    return await follow(backend, prompt, {"script": list(steps)}, workdir)


async def items_of(*steps: dict[str, Any], session: str = "") -> tuple[list[Any], BackendError | None]:
    """Return everything that the script yields, and the error with which it ends."""
    backend, items = Demo(), []
    backend.earlier_session = session
    try:
        async for item in backend.stream("", {"script": list(steps)}, Path()):
            items.append(item)  # noqa: PERF401 - the items before an error count too
    except BackendError as error:
        return items, error
    return items, None


# ---------------------------------------------------------------- what steps show
async def test_text_thinking_and_tools_are_shown_in_their_order():
    seen = await played(
        {"think": "Hm."},
        {"tool": "search", "input": {"q": "swifts"}, "result": "3 found"},
        {"tool": "stop"},
        {"say": "Three."},
    )
    assert [(event.type, event.content) for event in seen.events] == [
        (EventType.THINKING, "Hm."),
        (EventType.TOOL_USE, "search"),
        (EventType.TOOL_RESULT, "3 found"),
        (EventType.TOOL_USE, "stop"),
        (EventType.TOOL_RESULT, ""),
        (EventType.MESSAGE, "Three."),
    ]
    uses = [event.metadata for event in seen.events if event.type == EventType.TOOL_USE]
    results = [event.metadata for event in seen.events if event.type == EventType.TOOL_RESULT]
    assert [use["input"] for use in uses] == [{"q": "swifts"}, {}]
    assert [use["id"] for use in uses] == [result["id"] for result in results] == ["step-2", "step-3"]


async def test_a_message_repeats_the_prompt_and_what_is_in_the_prompt_is_not_replaced():
    seen = await played({"say": "<{prompt}|{answer}|{message}|{other}>"}, prompt="{answer} {prompt}")
    assert seen.text() == "<{answer} {prompt}|||{other}>"


async def test_a_text_full_of_blanks_does_not_repeat_a_long_prompt_without_an_end():
    seen = await played({"say": "{prompt}" * 7_000}, prompt="x" * 50_000)
    assert seen.text().count("x") == 20 * 50_000


async def test_messages_are_paragraphs_unless_the_one_before_ends_with_a_space():
    seen = await played({"say": "One."}, {"say": "Two, "}, {"sleep": 0}, {"say": "and more."})
    assert seen.text() == "One.\n\nTwo, and more."


async def test_the_answer_is_what_is_said_behind_the_last_tool():
    seen = await played(
        {"say": "I look."}, {"tool": "look"}, {"say": "It is"}, {"usage": {"cost_usd": 1}}, {"say": "red."}
    )
    assert seen.answer == "It is\n\nred."
    assert (await played({"say": "Done."}, {"tool": "tidy"})).answer == "Done."
    assert (await played({"tool": "tidy"})).answer is None


async def test_usage_is_reported_at_once_and_is_the_total_so_far():
    items, _ = await items_of(
        {"usage": {"input_tokens": 5, "cost_usd": 0.01}},
        {"say": "."},
        {"usage": {"input_tokens": 9, "output_tokens": 2}},
    )
    assert [item for item in items if not isinstance(item, Session | Answer)] == [
        Usage(input_tokens=5, cost_usd=0.01),
        BackendEvent(EventType.MESSAGE, "."),
        Usage(input_tokens=9, output_tokens=2, cost_usd=0.01),
    ]


async def test_a_script_ends_where_it_fails():
    seen = await played({"say": "So far."}, {"fail": "The model is on holiday"}, {"say": "never"})
    assert (seen.text(), seen.error) == ("So far.", "The model is on holiday")


async def test_a_used_up_quota_says_when_it_resets_and_belongs_to_this_script_only():
    before = datetime.now(UTC)
    _, error = await items_of({"quota": 30})
    _, other = await items_of({"quota": 31})
    assert isinstance(error, QuotaUsedUp)
    assert isinstance(other, QuotaUsedUp)
    assert error.resets_at is not None
    assert timedelta(seconds=30) <= error.resets_at - before
    assert error.resets_at <= datetime.now(UTC) + timedelta(seconds=30)
    assert error.account.startswith("demo:")
    assert error.account != other.account


async def test_a_sleeping_script_ends_when_it_is_cancelled():
    said = asyncio.Event()

    async def listen() -> None:
        async for item in Demo().stream("", {"script": [{"say": "."}, {"sleep": 3600}]}, Path()):
            if isinstance(item, BackendEvent):
                said.set()

    task = asyncio.create_task(listen())
    await said.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# ---------------------------------------------------------------- a later run
SCRIPT: tuple[dict[str, Any], ...] = (
    {"say": "one"},
    {"usage": {"input_tokens": 10}},
    {"quota": 1},
    {"say": "two"},
    {"usage": {"input_tokens": 15}},
    {"fail": "Broken"},
    {"say": "three"},
)


async def test_a_later_run_goes_on_behind_the_step_at_which_the_earlier_one_ended():
    first, second = await played(*SCRIPT), await played(*SCRIPT, session=(await played(*SCRIPT)).session)
    third = await played(*SCRIPT, session=second.session)
    assert [run.text() for run in (first, second, third)] == ["one", "two", "three"]
    assert [run.error for run in (first, second, third)][1:] == ["Broken", ""]
    fourth = await played(*SCRIPT, session=third.session)
    assert [event.type for event in fourth.events] == [EventType.STATUS]
    assert "All steps of the script have been played" in fourth.events[0].content


async def test_a_later_run_reports_only_its_own_part_of_the_usage():
    first = await played(*SCRIPT)
    second = await played(*SCRIPT, session=first.session)
    assert (first.usage, second.usage) == (Usage(input_tokens=10), Usage(input_tokens=5))


async def test_a_run_that_is_stopped_while_it_sleeps_goes_on_behind_that_sleep():
    steps: list[dict[str, Any]] = [{"say": "one"}, {"sleep": 3600}, {"say": "two"}]
    stream = Demo().stream("", {"script": steps}, Path())
    items = [await anext(stream), await anext(stream)]  # the message and, before the sleep, the position
    await stream.aclose()
    [session] = [item.id for item in items if isinstance(item, Session)]
    assert (await played(*steps, session=session)).text() == "two"


async def test_from_start_begins_again_in_a_later_run_but_not_when_a_parked_run_goes_on():
    steps = ({"from_start": True}, {"say": "one"}, {"quota": 1}, {"say": "two"})
    parked = await played(*steps)
    resumed = await played(*steps, session=parked.session)
    again = await played(*steps, session=resumed.session)
    assert [run.text() for run in (parked, resumed, again)] == ["one", "two", "one"]


@pytest.mark.parametrize("session", ["demo-000000000000-1", "demo-x-1", "5c7ed0c0-0000-4000-8000-000000000000"])
async def test_a_script_that_has_changed_starts_with_its_first_step_and_says_so(session):
    seen = await played({"say": "one"}, session=session)
    assert seen.text() == "one"
    assert seen.events[0].type == EventType.STATUS
    assert "has changed" in seen.events[0].content


async def test_positions_fit_the_column_that_holds_them():
    items, _ = await items_of(*[{"sleep": 0}] * 1_000)
    sessions = [item.id for item in items if isinstance(item, Session)]
    assert len(sessions) == 1_001
    assert max(map(len, sessions)) < 40


# ---------------------------------------------------------------- files
async def test_a_script_writes_and_deletes_files_of_the_working_folder(tmp_path):
    (tmp_path / "old.txt").write_text("old")
    seen = await played(
        {"write": "notes/day.md", "content": "Grüße {prompt}"},
        {"write": "old.txt", "content": "new"},
        {"delete": "notes/day.md"},
        {"write": "notes/..day", "content": ""},
        workdir=tmp_path,
        prompt="no",
    )
    assert seen.error == ""
    assert {path.name: path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == {
        "old.txt": "new", "..day": "",
    }  # fmt: skip
    assert [event.content for event in seen.events] == [
        "write", "Written: 16 bytes", "write", "Written: 3 bytes",
        "delete", "Deleted", "write", "Written: 0 bytes",
    ]  # fmt: skip


@pytest.mark.parametrize("way", ["write", "delete"])
@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("link.txt", "symbolic link"),
        ("dangling", "symbolic link"),
        ("out/secret.txt", "symbolic link"),
        ("pipe", "not a regular file"),
        ("socket", "not a regular file"),
        ("folder", "not a regular file"),
        ("inside.txt/below", "not a folder"),
        ("../secret.txt", "out of the working folder"),
        ("folder/../../secret.txt", "out of the working folder"),
        ("{outside}/secret.txt", "out of the working folder"),
        ("x" * 300, "name too long"),
    ],
)
async def test_a_script_changes_nothing_outside_and_no_special_file(tmp_path, way, path, why):
    outside, workdir = tmp_path / "outside", tmp_path / "work"
    outside.mkdir()
    (workdir / "folder").mkdir(parents=True)
    (outside / "secret.txt").write_text("secret")
    (tmp_path / "secret.txt").write_text("secret")
    (workdir / "inside.txt").write_text("mine")
    (workdir / "link.txt").symlink_to(outside / "secret.txt")
    (workdir / "dangling").symlink_to(outside / "none")
    (workdir / "out").symlink_to(outside)
    os.mkfifo(workdir / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(workdir, os.O_RDONLY)
        try:
            listener.bind(f"/proc/self/fd/{here}/socket")  # a longer path does not fit the address
        finally:
            os.close(here)
        before = sorted(tmp_path.rglob("*"))
        step = {way: path.replace("{outside}", str(outside)), **({"content": "x"} if way == "write" else {})}
        seen = await played(step, workdir=workdir)
    assert why in seen.error.lower()
    assert str(tmp_path / "work") not in seen.error
    assert sorted(tmp_path.rglob("*")) == before
    assert (outside / "secret.txt").read_text() == (tmp_path / "secret.txt").read_text() == "secret"


async def test_a_file_that_is_not_there_cannot_be_deleted(tmp_path):
    assert (await played({"delete": "a/b"}, workdir=tmp_path)).error == "`a/b`: No such file or directory"


# ---------------------------------------------------------------- commands
@pytest.fixture
def sandboxed(settings, tmp_path, monkeypatch):
    need("bwrap", "scripts that run commands")
    if problem := isolation.bubblewrap_problem():
        lack(problem)
    settings.AGENT_ISOLATION = "auto"
    (tmp_path / "home").mkdir()
    (tmp_path / "home/secret").write_text("secret")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    workdir = tmp_path / "work"
    workdir.mkdir()
    return workdir


async def test_a_command_runs_in_the_sandbox_and_its_output_is_the_result(sandboxed, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://me:password@proxy:3128")
    monkeypatch.setenv("MISSION_CONTROL_THING", "ours")
    shell = "pwd; cat ../home/secret; echo $HTTPS_PROXY$MISSION_CONTROL_THING; echo made > made; exit 3"
    seen = await played(
        {"run": ["sh", "-c", shell]}, {"run": ["no-such-program"]}, {"say": "."}, workdir=sandboxed
    )
    first, second = [event.content for event in seen.events if event.type == EventType.TOOL_RESULT]
    assert first.splitlines()[0] == str(sandboxed)
    assert "No such file" in first.splitlines()[1]
    assert first.splitlines()[2:] == ["", "", "[exit status 3]"]
    assert (sandboxed / "made").read_text() == "made\n"
    assert "not found" in second
    assert second.endswith("[exit status 127]")
    assert (seen.text(), seen.error) == (".", "")


async def test_a_command_has_no_network(sandboxed):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        code = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}))"
        seen = await played({"run": ["/usr/bin/python3", "-c", code]}, workdir=sandboxed)
    assert "[exit status 1]" in seen.events[1].content
    assert "Error" in seen.events[1].content


async def test_much_output_of_a_command_is_cut_off(sandboxed):
    seen = await played({"run": ["head", "-c", "300000", "/dev/zero"]}, workdir=sandboxed)
    assert seen.events[1].content.endswith("… cut off after 100,000 bytes")
    assert len(seen.events[1].content) < 101_000


async def test_without_a_sandbox_no_command_runs_and_the_agent_says_so_beforehand(settings, tmp_path):
    settings.AGENT_ISOLATION = "none"
    steps: list[dict[str, Any]] = [{"say": "first"}, {"run": ["touch", "ran"]}]
    seen = await played(*steps, workdir=tmp_path)
    assert "A script runs commands in the sandbox only, which needs bubblewrap" in seen.error
    assert seen.events == []
    assert list(tmp_path.iterdir()) == []
    assert registry.missing_for("demo", {"script": steps}) == seen.error
    assert registry.missing_for("demo", {"script": steps[:1]}) is None


# ---------------------------------------------------------------- what is refused at saving
REFUSED = [
    ([], "script", "must have at least 1 entries"),
    ([{"say": "."}] * 1_001, "script", "must have at most 1000 entries"),
    ("say hello", "script", "must be a list"),
    (["say"], "script.0", "must be an object"),
    ([{}], "script.0", "must have exactly one of say, think, sleep, tool"),
    ([{"say": "a", "think": "b"}], "script.0", "must have exactly one of say"),
    ([{"say": "."}, {"sing": "la"}], "script.1.sing", "is not part of a step. A step is one of say, think"),
    ([{"say": "a", "volume": 3}], "script.0.volume", "is not part of a step"),
    ([{"say": 5}], "script.0.say", "must be a string"),
    ([{"sleep": -1}], "script.0.sleep", "must be at least 0"),
    ([{"sleep": 3_601}], "script.0.sleep", "must be at most 3600"),
    ([{"sleep": "1"}], "script.0.sleep", "must be a number"),
    ([{"sleep": True}], "script.0.sleep", "must be a number"),
    ([{"write": "/etc/passwd", "content": ""}], "script.0.write", "must be a relative path inside the working"),
    ([{"write": "../x", "content": ""}], "script.0.write", "must be a relative path"),
    ([{"write": "a/../../x", "content": ""}], "script.0.write", "must be a relative path"),
    ([{"write": "a/..", "content": ""}], "script.0.write", "must be a relative path"),
    ([{"write": ".", "content": ""}], "script.0.write", "must be a relative path"),
    ([{"write": "a//b", "content": ""}], "script.0.write", "must be a relative path"),
    ([{"write": "a\n", "content": ""}], "script.0.write", "must be a relative path"),
    ([{"delete": "a/"}], "script.0.delete", "must be a relative path"),
    ([{"delete": ""}], "script.0.delete", "must have at least 1 characters"),
    ([{"write": "a"}], "script.0", "must have `content` with `write`"),
    ([{"say": "a", "content": "b"}], "script.0", "must have `content` with `write`"),
    ([{"run": "ls"}], "script.0.run", "must be a list"),
    ([{"run": []}], "script.0.run", "must have at least 1 entries"),
    ([{"run": ["ls", 1]}], "script.0.run.1", "must be a string"),
    ([{"tool": " "}], "script.0.tool", "is empty"),
    ([{"tool": "t", "input": []}], "script.0.input", "must be an object"),
    ([{"usage": {}}], "script.0.usage", "must have input_tokens, output_tokens or cost_usd"),
    ([{"usage": {"input_tokens": -1}}], "script.0.usage.input_tokens", "must be at least 0"),
    ([{"usage": {"dollars": 1}}], "script.0.usage.dollars", "Available: input_tokens, output_tokens, cost_usd"),
    ([{"quota": -1}], "script.0.quota", "must be at least 0"),
    ([{"fail": ""}], "script.0.fail", "is empty"),
    ([{"from_start": False}], "script.0.from_start", "must be true"),
    ([{"say": "."}, {"from_start": True}], "script.1.from_start", "is allowed as the first step only"),
    ([{"ask": " "}], "script.0.ask", "is empty"),
    ([{"ask": "?", "options": ["a", "a"]}], "script.0.options", "must not have an answer twice"),
    ([{"say": "?", "options": ["a"]}], "script.0", "must have `options` only with `ask`"),
    ([{"say": "?", "timeout_seconds": 1}], "script.0", "must have `timeout_seconds` only with `ask` or `approve`"),
    ([{"ask": "?", "timeout_seconds": -1}], "script.0.timeout_seconds", "must be at least 0"),
    ([{"say": "?", "input": {}}], "script.0", "must have `input` only with `tool` or `approve`"),
    ([{"wait_for_message": False}], "script.0.wait_for_message", "must be true"),
    ([{"say": "."}] * 3 + [{"sleep": -1}] * 10, "script.3.sleep", "must be at least 0"),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "option", "message"), REFUSED)
def test_a_step_that_does_not_fit_is_refused_with_its_number_and_the_reason(steps, option, message):
    with pytest.raises(registry.OptionsError) as refused:
        registry.check_options("demo", {"script": steps})
    assert refused.value.option == option
    assert f"`{option}`" in str(refused.value)
    assert message in str(refused.value)


def test_a_script_excludes_the_other_options():
    with pytest.raises(registry.OptionsError, match="The options must have no other option with `script`"):
        registry.check_options("demo", {"script": [{"say": "."}], "chunks": 3})


async def test_the_approval_policy_decides_on_the_calls_that_it_names(tmp_path):
    steps = [{"approve": "Bash", "input": {"command": command}} for command in ("ls -l", "rm x")]
    backend = Demo()  # nobody is there: a call that nobody decides is denied, too, with another reason
    options = {"script": steps, "approval_policy": {"allow": ["Bash(ls *)"], "deny": ["Bash(rm *)"]}}
    registry.check_options("demo", options)
    items = [item async for item in backend.stream("Go.", options, tmp_path)]
    said = [(item.type, item.content) for item in items if isinstance(item, BackendEvent)]
    assert said == [
        ("tool_use", "Bash"),
        ("tool_result", "Allowed"),
        ("message", "Bash was denied: the approval policy of this agent denies it"),
    ]


def test_every_kind_of_step_is_accepted():
    registry.check_options("demo", {"script": EVERY_STEP})
    registry.check_options("demo", {"script": [{"say": "."}] * 1_000})


EVERY_STEP: list[dict[str, Any]] = [
    {"from_start": True},
    {"say": "text"},
    {"think": "text"},
    {"sleep": 1.5},
    {"tool": "name", "input": {"a": [1]}, "result": "text"},
    {"tool": "name"},
    {"write": "a/.b/..c/d e.txt", "content": "text"},
    {"delete": "...", },
    {"run": ["ls", ""]},
    {"ask": "Which?", "options": ["a", "b"], "default": "a", "timeout_seconds": 60},
    {"ask": "Why?", "default": "because"},
    {"approve": "Bash", "input": {"command": "ls"}, "default": "deny"},
    {"wait_for_message": True, "timeout_seconds": 0.5},
    {"usage": {"input_tokens": 1, "output_tokens": 2, "cost_usd": 0.01}},
    {"quota": 30},
    {"fail": "text"},
]  # fmt: skip
