"""A run in a worker, from its claim to its end."""

import threading
import time

import pytest
from django.db import IntegrityError, connection

from agents.models import Agent
from mission_control.models import Deliverable, Run, Task
from mission_control.runs import execution, outcomes, preparation
from mission_control.runs.admission import admit
from mission_control.runs.execution import execute
from mission_control.runs.lifecycle import end_lost, stop
from tests import backends, rivals
from tests.servers import wait_until

Status = Run.Status


@pytest.fixture(autouse=True)
def known_backends(settings):
    settings.MISSION_CONTROL_BACKENDS = backends.NAMES


def an_agent(backend: str, **fields) -> Agent:
    options = fields.pop("options", {})
    return Agent.objects.create(name="Agent", role="Tester", backend=backend, backend_options=options, **fields)


def carried_out(task: Task, agent: Agent, **how) -> Run:
    run = admit(task, agent, **how)
    execute(run.pk)
    run.refresh_from_db()
    return run


class InBackground:
    """A run that a thread executes, as a worker would, until it has emitted something."""

    def __init__(self, task: Task, agent: Agent) -> None:
        self.run = admit(task, agent)
        self.thread = threading.Thread(target=execute, args=(self.run.pk,))
        self.thread.start()
        wait_until(lambda: Run.objects.get(pk=self.run.pk).last_seq > 1, what="the first output")

    def ended(self) -> Run:
        self.thread.join(30)
        assert not self.thread.is_alive()
        self.run.refresh_from_db()
        return self.run


def numbers(run: Run) -> list[int]:
    return list(run.events.order_by("seq").values_list("seq", flat=True))


def test_a_completed_run_leaves_its_output_a_deliverable_and_a_done_task(task):
    agent = an_agent("demo", options={"chunks": 100, "chunk_bytes": 20, "delay_seconds": 0})
    run = carried_out(task, agent)

    task.refresh_from_db()
    kept = Deliverable.objects.get(task=task)
    assert (run.status, run.error, task.status) == (Status.COMPLETED, "", Task.Status.DONE)
    assert task.completed_at is not None
    assert (kept.title, kept.type, kept.tags) == (
        "Deliverable: Task 0",
        "deliverable",
        ["auto-generated", "task-output"],
    )
    assert kept.content == run.output and len(run.output) == 2000
    assert run.handed_in.deliverable == kept
    assert numbers(run) == list(range(1, run.last_seq + 1))
    last = run.events.get(seq=run.last_seq)
    assert (last.type, last.content, last.metadata) == ("status", "completed", {"phase": "ended", "error": None})


def test_the_log_keeps_each_kind_of_event_in_order_and_joins_neighbouring_text(task):
    script = [
        ["thinking", "hm"], ["thinking", "m"], ["message", "a"], ["message", "b"],
        ["tool_use", "search"], ["tool_result", "found " * 100], ["status", "trying again"], ["message", "c"],
    ]  # fmt: skip
    run = carried_out(task, an_agent("scripted", options={"events": script}))

    said = list(run.events.order_by("seq").values_list("type", "content"))[1:-1]
    joined: list[tuple[str, str]] = []
    for type, content in said:
        if joined and joined[-1][0] == type and type in ("message", "thinking"):
            joined[-1] = (type, joined[-1][1] + content)
        else:
            joined.append((type, content))
    assert joined == [
        ("thinking", "hmm"), ("message", "ab"), ("tool_use", "search"), ("tool_result", "found " * 100),
        ("status", "trying again"), ("message", "c"),
    ]  # fmt: skip
    assert run.output == "abc"
    assert run.usage == {"model": "scripted", "input_tokens": 3, "output_tokens": 5, "cost_usd": None}


def test_a_run_that_fails_keeps_what_was_said_and_says_why(task):
    run = carried_out(task, an_agent("demo", options={"chunks": 10, "fail_after": 4, "delay_seconds": 0}))

    task.refresh_from_db()
    assert (run.status, task.status) == (Status.ERROR, Task.Status.BLOCKED)
    assert run.output.count("] ") == 4
    assert run.error
    assert run.events.get(seq=run.last_seq).metadata["error"] == run.error
    assert not Deliverable.objects.exists()


def test_a_failure_nobody_foresaw_shows_neither_path_nor_key(task):
    run = carried_out(task, an_agent("broken"))

    assert run.status == Status.ERROR
    assert "ValueError" in run.error
    assert "/etc" not in run.error and "sk-" not in run.error
    assert run.output == "so far so good"


@pytest.mark.parametrize(
    ("backend", "said"), [("no such backend", "no such backend"), ("pydantic_ai", "Set the option `model`")]
)
def test_an_agent_that_cannot_run_ends_in_an_error_that_says_what_is_missing(task, backend, said):
    run = carried_out(task, an_agent(backend))

    assert run.status == Status.ERROR
    assert said in run.error


def test_what_no_database_takes_is_replaced(task):
    run = carried_out(task, an_agent("scripted", options={"odd": True}))

    assert (run.status, run.error) == (Status.COMPLETED, "")
    assert run.output == "nul \ufffd and ? end"
    assert run.events.get(type="tool_use").metadata == {"input": {"nul \ufffd": ["?"]}}


def test_numbers_that_json_does_not_know_are_stored_as_text_and_the_run_goes_on(task):
    run = carried_out(task, an_agent("numbers"))

    assert (run.status, run.error, run.output) == (Status.COMPLETED, "", "just before. and after")
    given = run.events.get(type="tool_use").metadata["input"]
    assert given.pop("deep").__repr__().count("{") == 98
    assert given == {
        "nan": "NaN", "inf": ["Infinity", "-Infinity"], "long": str(2**70), "huge": "an integer of 16,610 bits",
        "fine": [2**63 - 1, 1.5, True, None], "3": "b'bytes'",
    }  # fmt: skip


def test_a_refusal_of_the_database_shows_no_sql():
    error = IntegrityError('CHECK constraint failed: (JSON_VALID("metadata") OR "metadata" IS NULL)')
    assert outcomes.failure(error).error == "Unexpected failure: IntegrityError"


def test_a_key_that_comes_in_two_batches_is_neither_stored_nor_handed_in(task):
    script = [["message", "My key is sk-abcdefgh"], ["message", "ijklmnopqrstuvwxyz. Take care."]]
    run = carried_out(task, an_agent("scripted", options={"events": script, "delay": 0.3}))

    assert run.output == "My key is [redacted]. Take care."
    assert Deliverable.objects.get(task=task).content == run.output
    assert numbers(run) == list(range(1, run.last_seq + 1))


def test_a_run_that_says_nothing_but_what_may_be_the_beginning_of_a_key_says_it_at_its_end(task):
    run = carried_out(task, an_agent("scripted", options={"events": [["message", "sk-"]], "delay": 0.3}))

    assert (run.status, run.output) == (Status.COMPLETED, "sk-")


def test_what_the_agent_is_sent_is_what_is_kept_also_where_no_database_would_take_it(task):
    agent = an_agent("demo", specialties=["nul \x00", "\ud800"] if connection.vendor == "sqlite" else ["plain"])
    run = carried_out(task, agent)

    assert run.status == Status.COMPLETED
    assert run.prompt.encode() and "\x00" not in run.prompt


def test_an_interns_work_goes_to_review(task):
    carried_out(task, an_agent("scripted", level=Agent.Level.INTERN))

    task.refresh_from_db()
    assert (task.status, task.completed_at) == (Task.Status.REVIEW, None)


def test_a_task_that_asks_for_review_goes_to_review(task):
    task.metadata = {"requires_review": True}
    task.save()
    carried_out(task, an_agent("scripted"))

    task.refresh_from_db()
    assert task.status == Task.Status.REVIEW


def test_a_later_run_of_a_task_hands_in_a_new_version_and_the_old_stays_readable(task):
    first = carried_out(task, an_agent("scripted", options={"events": [["message", "one"]]}))
    second = carried_out(task, an_agent("scripted", options={"events": [["message", "two"]]}))

    kept = Deliverable.objects.get(task=task)
    assert (kept.content, kept.version, kept.run) == ("two", 2, second)
    assert list(kept.versions.values_list("version", "content", "run")) == [
        (1, "one", first.pk),
        (2, "two", second.pk),
    ]


def test_the_prompt_of_a_dependent_task_holds_what_the_first_handed_in(tasks):
    first, second = tasks[:2]
    second.blocked_by.add(first)
    carried_out(first, an_agent("scripted", options={"events": [["message", "THE NOTES"]]}))
    run = carried_out(second, an_agent("scripted"))

    assert "THE NOTES" in run.prompt
    assert run.prompt.index("THE NOTES") < run.prompt.index("Your task: Task 1")


def test_a_stopped_run_ends_within_two_seconds_with_what_it_had_said(task):
    working = InBackground(task, an_agent("silent"))
    started = time.monotonic()
    answered = stop(working.run)

    assert answered.status == Status.STOPPED
    assert time.monotonic() - started < 6  # the contract's limit, plus time for a busy machine
    run = working.ended()
    task.refresh_from_db()
    assert (run.output, task.status) == ("thinking about it", Task.Status.BLOCKED)
    assert (preparation.workdir_of(run) / "cancelled").exists()
    assert not Deliverable.objects.exists()


def test_a_stop_in_the_midst_of_much_output_loses_nothing_that_was_stored(task):
    working = InBackground(task, an_agent("demo", options={"chunks": 100_000, "delay_seconds": 0.001}))
    stop(working.run)
    run = working.ended()

    assert run.status == Status.STOPPED
    assert run.output == "".join(run.events.filter(type="message").values_list("content", flat=True))
    assert numbers(run) == list(range(1, run.last_seq + 1))


def test_a_run_over_its_time_ends_with_a_reason(task, settings):
    settings.RUN_TIMEOUT_SECONDS = 1
    run = carried_out(task, an_agent("silent"))

    assert (run.status, run.error) == (Status.ERROR, "Ran longer than the limit of 1 seconds")
    assert run.output == "thinking about it"


def test_an_agent_that_says_too_much_is_ended_and_what_fits_is_kept(task, settings):
    settings.MAX_OUTPUT_CHARS = 1_000
    run = carried_out(task, an_agent("demo", options={"chunks": 100, "delay_seconds": 0}))

    assert (run.status, run.error) == (Status.ERROR, "The output is longer than the limit of 1,000 characters")
    assert len(run.output) == 1_000


def test_a_worker_that_lost_its_claim_writes_nothing_more(task):
    working = InBackground(task, an_agent("demo", options={"chunks": 100_000, "delay_seconds": 0.01}))
    while not end_lost(Run.objects.get(pk=working.run.pk)):
        pass
    last_seq = Run.objects.get(pk=working.run.pk).last_seq
    run = working.ended()

    assert (run.status, run.error, run.last_seq) == (Status.ERROR, "worker lost", last_seq)
    assert numbers(run) == list(range(1, last_seq + 1))


def test_a_run_that_is_not_queued_any_more_is_left_alone(task):
    run = admit(task, an_agent("scripted"))
    stop(run)
    execute(run.pk)

    run.refresh_from_db()
    assert (run.status, run.started_at, run.last_seq) == (Status.STOPPED, None, 2)


def test_an_agent_that_ignores_its_cancellation_is_ended_with_its_worker(task, monkeypatch):
    monkeypatch.setattr(execution, "CANCEL_PATIENCE_SECONDS", 0.5)
    run = admit(task, an_agent("stubborn"))
    worker = rivals.start(execute, run.pk)
    wait_until(lambda: Run.objects.get(pk=run.pk).last_seq > 1, what="the first output")
    stop(run, wait_seconds=0)
    worker.join(20)

    run.refresh_from_db()
    assert (worker.exitcode, run.status, run.output) == (1, Status.STOPPED, "never")
