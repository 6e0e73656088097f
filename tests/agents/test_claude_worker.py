"""A Claude run in the real worker: output, usage, a second run that continues the conversation, a stop."""

import pytest

from agents.backends.base import BackendError
from agents.backends.claude.installation import cli_path
from tests.agents.test_command_worker import processes_of
from tests.conftest import environment_of, running
from tests.needs import lack
from tests.servers import wait_until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def office(tmp_path_factory, profile, aimock):
    """Start a product whose Claude calls aimock, in the sandbox where the machine allows it."""
    try:
        cli_path()
    except BackendError as error:
        lack(str(error))
    environment = environment_of(profile) | {
        "ANTHROPIC_API_KEY": "sk-ant-operators-own-0123456789",
        "ANTHROPIC_BASE_URL": aimock.root_url,
        "HOME": str(tmp_path_factory.mktemp("home")),
    }
    with running(tmp_path_factory.mktemp("office"), environment) as product:
        yield product


def test_a_run_is_streamed_and_counted_and_the_next_of_the_task_goes_on_with_it(office, aimock):
    agent = office.new_agent(backend="claude_agent_sdk", backend_options={"model": "claude-haiku-4-5"})
    task = office.new_task(title="Remember the number 4711")
    first = office.ended(office.run(task, agent))
    assert first["status"] == "completed", first["error"]
    assert first["output"] == "Hello from Anthropic's side."
    assert first["usage"] == {
        "model": "claude-haiku-4-5",
        "input_tokens": 1000,
        "output_tokens": 2000,
        "cost_usd": 0.011,
    }
    office.post(f"/tasks/{task}/status", status="assigned")
    second = office.ended(office.run(task, agent))
    assert (second["status"], second["usage"]) == ("completed", first["usage"])
    kinds = {event["type"] for event in office.events(second["id"])}
    assert "message" in kinds
    assert not [
        event for event in office.events(second["id"]) if "conversation no longer exists" in event["content"]
    ]


def test_a_stopped_run_leaves_no_process(office):
    agent = office.new_agent(backend="claude_agent_sdk", backend_options={"model": "slow"})
    run = office.run(office.new_task(), agent)
    wait_until(lambda: office.run_of(run)["output"], what="the first words")
    assert processes_of(office)
    office.post(f"/runs/{run}/stop")
    assert office.run_of(run)["status"] == "stopped"
    wait_until(lambda: not processes_of(office), what="Claude to end")
