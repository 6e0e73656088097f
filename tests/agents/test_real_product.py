"""From a real program that is found on this machine to its agent's first runs, in the running product."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.agents import scenes
from tests.agents.conftest import running_aimock
from tests.agents.programs import installed, version
from tests.conftest import environment_of, running
from tests.servers import wait_until

pytestmark = [pytest.mark.system, pytest.mark.embedded]
NAMES = ("claude", "codex")
SECONDS = 60  # for a whole run of a program on a busy machine


def _fixtures(name: str, folder: Path) -> list[dict]:
    """Return the scenes of a program; Claude's are for any model, as its agent has not chosen one."""
    quota = {"error": {"message": scenes.LEARNED, "type": "usage_limit_reached"}, "status": 429}
    model = scenes.PROGRAMS[name].model(name)
    found = [{"match": {"model": model, "userMessage": QUOTA}, "response": quota}, *scenes.answers(name, folder)]
    for one in found if name == "claude" else ():
        del one["match"]["model"]
    return found


QUOTA = "scene-quota"


@pytest.fixture(scope="module")
def office(tmp_path_factory, profile):
    """Start a product on a machine with both programs, logged in to the mock of their providers."""
    folder = tmp_path_factory.mktemp("office")
    home = folder / "home"
    fixtures = [one for name in reversed(NAMES) for one in _fixtures(name, folder)]
    with running_aimock(fixtures, folder) as provider:
        variables: dict[str, str] = {}
        for name in NAMES:
            program = scenes.PROGRAMS[name]
            variables |= program.variables(provider.root_url)
            for path, content in program.files(provider.root_url).items():
                (home / path).parent.mkdir(parents=True, exist_ok=True)
                (home / path).write_text(content)
        environment = {
            **environment_of(profile),
            **variables,
            "HOME": str(home),
            "PATH": os.pathsep.join([*(str(installed(name).parent) for name in NAMES), os.environ["PATH"]]),
            "MISSION_CONTROL_FIND_AGENTS": "yes",
            "MISSION_CONTROL_FIND_MODEL_SERVERS": "",
        }
        with running(folder / "data", environment) as product:
            yield product


def found(product: Any, name: str) -> dict | None:
    findings = product.get("/agents/found")["found"]
    return next((one for one in findings if one["key"] == f"program-{name}"), None)


@pytest.mark.parametrize("name", NAMES)
def test_a_found_program_is_used_tested_stopped_and_parked(office, name):
    finding = wait_until(lambda: found(office, name), seconds=SECONDS, what="the program to be found")
    assert (finding["version"], finding["state"]) == (version(name), "ready")

    used = office.post(f"/agents/found/program-{name}/use")
    test = office.ended(used["test_run_id"], seconds=SECONDS)
    assert (test["status"], test["output"].strip()) == ("completed", scenes.HELLO), test["error"]

    def start(word: str) -> str:
        return office.run(office.new_task(title=f"{word} of {name}"), used["agent"]["id"])

    run = office.ended(start(scenes.WRITES), seconds=SECONDS)
    assert (run["status"], run["usage"]["input_tokens"]) == ("completed", 2000), run["error"]
    [note] = (office.data_dir / "scratch" / run["task_id"]).glob("note.txt")
    assert note.read_text() == "hi"

    run = start(scenes.SLOW)
    office.running(run)
    office.post(f"/runs/{run}/stop")
    assert office.ended(run, seconds=SECONDS)["status"] == "stopped"

    run = start(QUOTA)
    parked = wait_until(
        lambda: (now := office.run_of(run))["status"] not in ("queued", "running") and now, seconds=SECONDS
    )
    assert (parked["status"], parked["parked_for"]) == ("parked", "quota"), parked["error"]
    office.post(f"/runs/{run}/stop")
    assert office.run_of(run)["status"] == "stopped"
