"""The tools of a model: they read files of the project's folder, through aimock and directly, and none outside."""

import os
from pathlib import Path

import pytest

from agents import folders
from agents.backends import registry
from agents.backends.base import EventType
from agents.backends.pydantic_ai import PydanticAI, tools
from agents.backends.pydantic_ai.tools import Tools
from tests.agents.follow import Followed, follow

ALL = list(tools.TOOLS)


@pytest.fixture
def workdir(tmp_path) -> Path:
    (tmp_path / "access_token").write_text("secret of the server")
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


async def ask(aimock, model: str, workdir: Path, **options) -> Followed:
    return await follow(PydanticAI(), "Go.", {"model": model, "base_url": aimock.base_url, **options}, workdir)


async def test_a_model_writes_a_file_and_the_tool_and_its_result_are_told(aimock, workdir):
    seen = await ask(aimock, "writes", workdir, tools=["write_file"])
    assert (seen.error, seen.text()) == ("", "Written.")
    use, result = [event for event in seen.events if event.type in {EventType.TOOL_USE, EventType.TOOL_RESULT}]
    assert (use.content, use.metadata["input"]) == ("write_file", {"path": "a/note.txt", "content": "hi"})
    assert (result.content, result.metadata["id"]) == ("Written: 2 bytes", use.metadata["id"])
    assert (workdir / "a/note.txt").read_text() == "hi"
    assert (seen.usage.input_tokens, seen.usage.output_tokens) == (2000, 4000)  # of both requests


async def test_a_way_out_of_the_folder_is_refused_to_the_model_and_not_to_the_run(aimock, workdir):
    seen = await ask(aimock, "reads-outside", workdir, tools=ALL)
    assert (seen.error, seen.text()) == ("", "I could not.")
    assert seen.text(EventType.TOOL_RESULT) == "Refused: the path leads out of the project's folder"


async def test_a_model_without_tools_is_offered_none_and_uses_none(aimock, workdir):
    await ask(aimock, "hello", workdir)
    assert "tools" not in aimock.requests_for("hello")[-1]["body"]
    await ask(aimock, "hello", workdir, tools=["list_files", "read_file"])
    offered = aimock.requests_for("hello")[-1]["body"]["tools"]
    assert {tool["function"]["name"] for tool in offered} == {"list_files", "read_file"}
    seen = await ask(aimock, "writes", workdir, tools=["list_files"])
    assert list(workdir.iterdir()) == []
    assert "write_file" in seen.text(EventType.TOOL_USE)


async def test_a_call_that_makes_no_sense_is_told_to_the_model(aimock, workdir):
    seen = await ask(aimock, "calls-nonsense", workdir, tools=ALL)
    assert (seen.error, seen.text()) == ("", "I could not.")
    assert "launch" in seen.text(EventType.TOOL_RESULT)


@pytest.mark.parametrize("chosen", [["run_command"], "read_file", [7]])
def test_a_tool_that_is_none_is_refused_in_the_options(chosen):
    with pytest.raises(registry.OptionsError):
        registry.check_options("pydantic_ai", {"tools": chosen})


# ---------------------------------------------------------------- no access outside the folder
OUTSIDE = [
    "../access_token",
    "a/../../access_token",
    "link",
    "folder/access_token",
    "chain",
    "{absolute}",
    "nul\0",
    "x" * 5_000,
]


@pytest.fixture
def trap(workdir, tmp_path) -> Tools:
    """Return a folder with links that lead outside: to a file, to a folder, through another link."""
    (workdir / "link").symlink_to("../access_token")
    (workdir / "folder").symlink_to(tmp_path)
    (workdir / "chain").symlink_to("link")
    return Tools(workdir)


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_path_leads_out_of_the_folder(trap, tmp_path, path):
    path = path.format(absolute=tmp_path / "access_token")
    for answer in (trap.read_file(path), trap.list_files(path), trap.search_files("secret", path)):
        assert answer == "Refused: the path leads out of the project's folder"
    assert trap.write_file(path, "overwritten").startswith("Refused")
    assert (tmp_path / "access_token").read_text() == "secret of the server"
    assert {entry.name for entry in tmp_path.iterdir()} == {"access_token", "project"}


def test_a_search_follows_no_link_out_and_no_entry_tells_what_is_behind_one(trap, workdir):
    (workdir / "mine.txt").write_text("my own secret")
    assert trap.search_files("SECRET") == "mine.txt:1: my own secret"
    assert "link  " in trap.list_files() and "secret of the server" not in trap.list_files()


def test_links_within_the_folder_work(workdir):
    (workdir / "real").mkdir()
    (workdir / "real/note.txt").write_text("here")
    (workdir / "inner").symlink_to("real")
    assert Tools(workdir).read_file("inner/note.txt") == "here"
    assert Tools(workdir).write_file("inner/more.txt", "x") == "Written: 1 bytes"
    assert (workdir / "real/more.txt").exists()


def test_a_folder_that_became_a_link_after_the_check_leads_nowhere(workdir, tmp_path, monkeypatch):
    (workdir / "sub").mkdir()
    (workdir / "sub/access_token").write_text("mine")
    found = folders.resolve_inside

    def slow(root: Path, path: str) -> Path:
        real = found(root, path)
        (workdir / "sub").rename(workdir / "old")
        (workdir / "sub").symlink_to(tmp_path)
        return real

    monkeypatch.setattr(folders, "resolve_inside", slow)
    assert Tools(workdir).read_file("sub/access_token").startswith("It did not work")


def test_the_projects_folder_itself_may_not_be_a_link(workdir, tmp_path):
    workdir.rmdir()
    workdir.symlink_to(tmp_path)
    assert "secret" not in Tools(workdir).read_file("access_token")


def test_a_hard_link_to_a_file_outside_is_replaced_and_not_written_through(workdir, tmp_path):
    os.link(tmp_path / "access_token", workdir / "twin")
    Tools(workdir).write_file("twin", "new")
    assert (workdir / "twin").read_text() == "new"
    assert (tmp_path / "access_token").read_text() == "secret of the server"


# ---------------------------------------------------------------- limits
def test_what_is_read_has_a_limit_and_goes_on_by_line(workdir):
    (workdir / "long.txt").write_text("first\n" + "x" * tools.READ_BYTES)
    assert Tools(workdir).read_file("long.txt").endswith(f"… cut off after {tools.READ_BYTES:,} bytes")
    assert Tools(workdir).read_file("long.txt", 2) == "x" * tools.READ_BYTES
    assert Tools(workdir).read_file("long.txt", 9) == "long.txt has no line 9"


def test_what_is_written_has_a_limit(workdir):
    assert Tools(workdir).write_file("big", "x" * (tools.WRITE_BYTES + 1)).startswith("Not written: more than")
    assert list(workdir.iterdir()) == []


def test_a_list_and_a_search_have_limits(workdir):
    for number in range(tools.MAX_ENTRIES + 5):
        (workdir / f"{number}.txt").write_text("found")
    listed, found = Tools(workdir).list_files().splitlines(), Tools(workdir).search_files("found").splitlines()
    assert (len(listed), listed[-1]) == (tools.MAX_ENTRIES + 1, "… and more")
    assert (len(found), found[-1]) == (tools.MAX_MATCHES + 1, "… and more")


def test_a_pipe_is_no_file_and_nobody_waits_for_its_writer(workdir):
    os.mkfifo(workdir / "pipe")
    assert Tools(workdir).read_file("pipe") == "pipe is no file"
    assert Tools(workdir).search_files("x") == "Nothing was found"


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (lambda its: its.read_file("none.txt"), "It did not work: No such file or directory"),
        (lambda its: its.read_file("."), ". is no file"),
        (lambda its: its.read_file("binary"), "It is no text"),
        (lambda its: its.write_file(".", "x"), "Not written: that is the folder itself"),
        (lambda its: its.write_file("below", "x"), "It did not work: Is a directory"),
        (lambda its: its.write_file("binary/x", "x"), "It did not work: Not a directory"),
        (lambda its: its.list_files("below"), "The folder is empty"),
        (lambda its: its.search_files(""), "There is nothing to find"),
    ],
)
def test_what_goes_wrong_is_told_without_a_path_of_the_servers(workdir, call, answer):
    (workdir / "below").mkdir()
    (workdir / "binary").write_bytes(b"\0\1")
    assert call(Tools(workdir)) == answer
    assert not [entry for entry in workdir.iterdir() if "draft" in entry.name]
