"""A later run of a task continues the conversation of its agent's last attempt."""

from typing import ClassVar

import pytest

from agents.backends.base import BackendError, Session
from mission_control.models import Run, Task
from tests.backends import Scripted, says
from tests.runs.test_execution import an_agent, carried_out

Status = Run.Status


class Remembering(Scripted):
    """Reports its conversation, and emits the one that it continues."""

    name = "remembering"
    capabilities: ClassVar[tuple[str, ...]] = ("sessions",)

    async def stream(self, prompt, options, workdir):
        yield Session(options.get("name", f"after {self.earlier_session or 'nothing'}"))
        yield says(f"goes on with {self.earlier_session or 'nothing'}")
        if "fails" in options:
            raise BackendError(options["fails"])


class Forgetful(Remembering):
    name = "forgetful"
    capabilities: ClassVar[tuple[str, ...]] = ()


@pytest.fixture(autouse=True)
def known_backends(settings):
    settings.MISSION_CONTROL_BACKENDS = {
        "remembering": "tests.runs.test_sessions.Remembering",
        "forgetful": "tests.runs.test_sessions.Forgetful",
    }


def once_more(task: Task, agent) -> Run:
    Task.objects.filter(pk=task.pk).update(status=Task.Status.ASSIGNED)
    return carried_out(task, agent)


def test_a_later_run_of_the_same_task_and_agent_goes_on_with_the_conversation(task):
    agent = an_agent("remembering")
    first = carried_out(task, agent)
    assert (first.session_id, first.output) == ("after nothing", "goes on with nothing")
    second = once_more(task, agent)
    assert (second.session_id, second.output) == ("after after nothing", "goes on with after nothing")


def test_the_conversation_of_a_failed_run_is_continued(task):
    agent = an_agent("remembering", options={"name": "good"})
    carried_out(task, agent)
    agent.backend_options = {"name": "broken off", "fails": "It broke"}
    agent.save()
    assert once_more(task, agent).status == Status.ERROR
    assert once_more(task, agent).output == "goes on with broken off"


def test_a_script_of_the_demo_goes_on_behind_the_step_at_which_it_failed(task):
    agent = an_agent("demo", options={"script": [{"say": "one"}, {"fail": "Broken"}, {"say": "two"}]})
    assert (carried_out(task, agent).output, once_more(task, agent).output) == ("one", "two")


def test_the_conversation_of_a_stopped_run_is_continued(task):
    agent = an_agent("remembering", options={"name": "stopped"})
    first = carried_out(task, agent)
    Run.objects.filter(pk=first.pk).update(status=Status.STOPPED, end_cause=Run.EndCause.STOPPED)
    assert once_more(task, agent).output == "goes on with stopped"


def test_an_attempt_that_ended_before_its_conversation_began_is_skipped(task):
    agent = an_agent("remembering", options={"name": "good"})
    carried_out(task, agent)
    agent.backend_options = {"name": "", "fails": "It did not start"}
    agent.save()
    assert once_more(task, agent).session_id == ""
    assert once_more(task, agent).output == "goes on with good"


def test_another_agent_and_another_task_begin_anew(task):
    carried_out(task, an_agent("remembering"))
    assert once_more(task, an_agent("remembering")).output == "goes on with nothing"
    agent = an_agent("remembering")
    once_more(task, agent)
    assert carried_out(Task.objects.create(title="Another"), agent).output == "goes on with nothing"


def test_a_backend_without_sessions_is_handed_none(task):
    agent = an_agent("remembering")
    carried_out(task, agent)
    agent.backend = "forgetful"
    agent.save()
    assert once_more(task, agent).output == "goes on with nothing"


def test_a_name_that_is_too_long_is_not_kept(task):
    run = carried_out(task, an_agent("remembering", options={"name": "x" * 5_000}))
    assert (run.status, run.session_id) == (Status.COMPLETED, "")
