"""A program's run in the real worker: output, usage, stop, failure."""

import json
import sys
from pathlib import Path

import pytest

from tests.agents.test_command import PLAYER, TRANSCRIPTS
from tests.conftest import environment_of, running
from tests.servers import wait_until
from tests.supervisor.processes import is_alive

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def workshop(tmp_path_factory, profile):
    """Start a product that allows the player under several names, in the sandbox where the machine allows it."""
    tools = tmp_path_factory.mktemp("tools")
    for source in (Path(PLAYER), TRANSCRIPTS / "claude.jsonl"):
        (tools / source.name).write_bytes(source.read_bytes())
    program = [sys.executable, str(tools / "player.py")]
    commands = {
        "claude": {"argv": [*program, "play", str(tools / "claude.jsonl")], "readable": [str(tools)]},
        "deaf": {"argv": [*program, "deaf"], "readable": [str(tools)]},
        "fails": {"argv": [*program, "fail", "3"], "readable": [str(tools)]},
    }
    environment = environment_of(profile) | {"MISSION_CONTROL_COMMANDS": json.dumps(commands)}
    with running(tmp_path_factory.mktemp("workshop"), environment) as product:
        yield product


def start(product, command: str) -> str:
    agent = product.new_agent(backend="command", backend_options={"command": command})
    return product.run(product.new_task(title=f"Ask {command}"), agent)


def test_a_run_of_a_program_is_streamed_counted_and_kept(workshop):
    run = workshop.ended(start(workshop, "claude"))
    assert run["status"] == "completed", run["error"]
    assert "Buy milk." in run["output"]
    assert run["usage"] == {
        "model": "claude-sonnet-4-5-20250929",
        "input_tokens": 3000,
        "output_tokens": 60,
        "cost_usd": 0.0099,
    }
    kinds = {event["type"] for event in workshop.events(run["id"])}
    assert {"message", "thinking", "tool_use", "tool_result"} <= kinds


def test_a_stopped_run_leaves_no_process_though_the_program_ignores_it(workshop):
    run = start(workshop, "deaf")
    workshop.running(run)
    assert processes_of(workshop)
    workshop.post(f"/runs/{run}/stop")
    assert workshop.run_of(run)["status"] == "stopped"
    wait_until(lambda: not processes_of(workshop), what="the program to end")


def test_a_failed_run_says_how_without_keys_and_paths(workshop):
    run = workshop.ended(start(workshop, "fails"))
    assert run["status"] == "error"
    assert "ended with exit status 3" in run["error"] and "quota used up" in run["error"]
    assert "sk-" not in run["error"] and "/srv" not in run["error"]
    assert "so far" in run["output"]


def processes_of(product) -> list[int]:
    """Return the processes whose working folder is in the product's data folder."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            inside = link.readlink().is_relative_to(product.data_dir)
        except OSError:
            continue
        if inside and is_alive(int(link.parent.name)):
            found.append(int(link.parent.name))
    return found
