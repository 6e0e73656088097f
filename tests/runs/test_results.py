"""The deliverable of a completed run, and that a run which did not do its work does not count as done."""

import pytest

from agents.backends.base import EventType
from mission_control.models import Activity, Deliverable, Notification, Review, Run, Task
from mission_control.runs.admission import admit
from mission_control.runs.execution import execute
from mission_control.runs.results import ToolUses
from tests import backends, make
from tests.backends import says


@pytest.fixture(autouse=True)
def known_backends(settings):
    settings.MISSION_CONTROL_BACKENDS = backends.NAMES


def carried_out(task: Task, **options) -> Run:
    run = admit(task, make.agent(backend="scripted", backend_options=options))
    execute(run.pk)
    run.refresh_from_db()
    task.refresh_from_db()
    return run


def refused(tool: str, key: str = "1") -> list:
    return [["tool_use", tool, {"id": key}], ["tool_result", "Denied", {"id": key, "refused": True}]]


# ---------------------------------------------------------------- the answer
def test_the_agents_answer_is_handed_in_and_all_it_said_stays_on_the_run(task):
    run = carried_out(task, events=[["message", "I will use a tool now. "], ["message", "42"]], answer="42")

    assert Deliverable.objects.get(task=task).content == "42"
    assert run.output == "I will use a tool now. 42"
    assert task.status == Task.Status.DONE


def test_what_a_dependent_task_gets_is_the_answer(tasks):
    first, second = tasks[:2]
    second.blocked_by.add(first)
    carried_out(first, events=[["message", "Let me see. "], ["message", "THE NOTES"]], answer="THE NOTES")

    prompt = carried_out(second).prompt
    assert "THE NOTES" in prompt and "Let me see" not in prompt


def test_an_answer_is_redacted_and_bounded_as_the_output_is(task, settings):
    settings.MAX_OUTPUT_CHARS = 1_000
    carried_out(task, events=[["message", "ok"]], answer="sk-abcdefghijklmnopqrstuvwx " + "x" * 2_000)

    content = Deliverable.objects.get(task=task).content
    assert content.startswith("[redacted] xxx") and len(content) == 1_000


# ---------------------------------------------------------------- runs that did not do their work
@pytest.mark.parametrize(
    ("options", "review_reason"),
    [
        ({"events": []}, "The agent produced no output"),
        ({"events": [["message", " \n"]], "answer": ""}, "The agent produced no output"),
        ({"events": [["message", "Let me see."]], "answer": " "}, "The agent ended without a final answer"),
        ({"events": [*refused("Bash"), ["message", "I could not."]]}, "The agent was not allowed to use Bash"),
        ({"events": refused("write")}, "The agent produced no output and was not allowed to use write"),
    ],
)
def test_a_run_that_did_not_do_its_work_sends_its_task_to_review_and_says_why(
    task, options, review_reason, client
):
    run = carried_out(task, **options)

    assert (run.status, run.error, task.status) == (Run.Status.COMPLETED, "", Task.Status.REVIEW)
    assert Review.objects.get(task=task).reason == review_reason
    notice = run.events.get(seq=run.last_seq - 1)
    assert (notice.content, notice.metadata["needs_review"]) == (f"Needs review: {review_reason}", review_reason)
    told = Notification.objects.get(type="review_needed")
    assert told.content == f"Review needed: {task.title} ({review_reason})"
    assert review_reason in Activity.objects.filter(type="task_completed").get().message
    client.force_login(make.user())
    assert f"{review_reason}." in client.get(f"/tasks/{task.pk}").content.decode()


def test_a_run_that_said_nothing_hands_in_no_empty_document(task):
    carried_out(task, events=[])
    assert not Deliverable.objects.exists()


def test_a_task_that_wants_no_review_is_done_all_the_same(task):
    task.metadata = {"requires_review": False}
    task.save()
    carried_out(task, events=refused("Bash"))
    assert task.status == Task.Status.DONE


def test_a_tool_that_was_refused_once_and_then_worked_is_no_reason_for_a_review():
    uses = ToolUses()
    for kind, key, metadata in [("use", "1", {}), ("result", "1", {"refused": True}), ("use", "2", {})]:
        uses.record(says("Bash", EventType(f"tool_{kind}"), id=key, **metadata))
    assert uses.refused == ["Bash"]
    uses.record(says("done", EventType.TOOL_RESULT, id="2"))
    assert uses.refused == []
