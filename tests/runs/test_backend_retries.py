"""An agent's call that failed for a temporary reason is repeated, and nothing is done twice."""

import socket

import pytest

from agents.backends.base import TransientError, Usage
from mission_control.models import Run
from mission_control.runs.admission import admit
from mission_control.runs.backend_retries import LONGEST_PAUSE_SECONDS, CallRetryPolicy
from mission_control.runs.execution import execute
from mission_control.runs.lifecycle import stop
from mission_control.runs.preparation import workdir_of
from tests import backends, make
from tests.runs.test_execution import InBackground

Status = Run.Status
AT_LAST = [["message", "here it is"]]


@pytest.fixture(autouse=True)
def patience(settings):
    settings.MISSION_CONTROL_BACKENDS = backends.NAMES
    settings.RETRIES, settings.RETRY_SECONDS = 3, 0.05


def flaky(*failures: dict, **fields):
    options = {"failures": list(failures), "events": AT_LAST}
    return make.agent(backend="flaky", backend_options=options, **fields)


def carried_out(task, agent) -> Run:
    run = admit(task, agent)
    execute(run.pk)
    run.refresh_from_db()
    return run


def calls(run: Run) -> int:
    return len((workdir_of(run) / "calls").read_text().splitlines())


def said(run: Run) -> list[tuple[str, str]]:
    return list(run.events.order_by("seq").values_list("type", "content"))[1:-1]


def test_a_call_that_failed_before_any_output_is_made_again_visibly(task):
    run = carried_out(task, flaky({}, {"message": "The server failed (HTTP 503)."}))

    assert (run.status, run.error, run.output, calls(run)) == (Status.COMPLETED, "", "here it is", 3)
    [first, second, last] = said(run)
    assert first[0] == second[0] == "status"
    assert first[1].startswith("Too many requests (HTTP 429). Retrying in 0")
    assert first[1].endswith(" s (attempt 2 of 4)")
    assert second[1].startswith("The server failed (HTTP 503). Retrying in ")
    assert second[1].endswith(" s (attempt 3 of 4)")
    assert last == ("message", "here it is")
    metadata = run.events.get(seq=2).metadata
    assert (metadata["attempt"], metadata["attempts"]) == (2, 4)
    assert 0.05 <= metadata["pause_seconds"] <= 0.06


def test_after_the_last_attempt_the_run_fails_and_says_how_often_it_was_tried(task):
    run = carried_out(task, flaky(*[{}] * 9))

    assert (run.status, calls(run)) == (Status.ERROR, 4)
    assert run.error == "Tried 4 times. Too many requests (HTTP 429)"


def test_where_nobody_is_there_it_is_tried_once_more_only(task):
    run = carried_out(task, flaky(*[{"most_retries": 1}] * 9))

    assert (run.status, calls(run)) == (Status.ERROR, 2)
    assert run.error == "Tried 2 times. Too many requests (HTTP 429)"
    [(_, notice)] = said(run)
    assert notice.endswith("(attempt 2 of 2)")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "localhost:1", "nobody.invalid"])
def test_an_address_without_a_server_is_soon_told_and_each_attempt_at_once(task, settings, address):
    if address == "nobody.invalid":
        with pytest.raises(socket.gaierror) as refused:
            socket.getaddrinfo(address, 80)
        if refused.value.errno == socket.EAI_AGAIN:
            pytest.skip("no name server answers here, which may pass")
    settings.MISSION_CONTROL_BACKENDS = {}
    options = {"model": "m", "base_url": f"http://{address}/v1"}
    run = carried_out(task, make.agent(backend="pydantic_ai", backend_options=options))

    reason = f"The server at {address} cannot be reached. Is it running, and is the address right?"
    assert (run.status, run.error) == (Status.ERROR, f"Tried 2 times. {reason}")
    [(kind, notice)] = said(run)
    assert kind == "status" and notice.startswith(f"{reason} Retrying in 0.")
    told, ended = run.events.filter(seq__in=(2, 3)).values_list("timestamp", flat=True)
    assert (ended - told).total_seconds() >= settings.RETRY_SECONDS  # the notice was stored before the pause


def test_without_retries_the_error_is_as_it_was(task, settings):
    settings.RETRIES = 0
    run = carried_out(task, flaky({}))

    assert (run.error, calls(run), said(run)) == ("Too many requests (HTTP 429)", 1, [])


@pytest.mark.parametrize("type", ["message", "thinking", "tool_use", "tool_result"])
def test_nothing_is_called_again_after_the_agent_said_or_did_something(task, type):
    run = carried_out(task, flaky({"events": [[type, "half"]], "message": "The connection broke"}))

    assert (run.status, run.error, calls(run)) == (Status.ERROR, "The connection broke", 1)
    assert said(run) == [(type, "half")]


def test_a_mere_notice_is_no_output(task):
    run = carried_out(task, flaky({"events": [["status", "connecting"]]}))

    assert (run.status, calls(run)) == (Status.COMPLETED, 2)


def test_a_call_that_the_agent_says_is_safe_is_made_again_also_after_output(task):
    run = carried_out(task, flaky({"events": [["message", "and "]], "safe_to_retry": True}))

    assert (run.status, run.output, calls(run)) == (Status.COMPLETED, "and here it is", 2)


def test_another_failure_is_not_tried_again(task):
    run = carried_out(task, make.agent(backend="scripted", backend_options={"fails": "no such model"}))

    assert (run.status, run.error, said(run)) == (Status.ERROR, "no such model", [])


def test_what_failed_calls_took_is_added_up_and_counts_against_the_limit(task):
    failure = {"usage": {"input_tokens": 10, "cost_usd": 0.25}}
    run = carried_out(task, flaky(failure, failure))
    assert run.usage == {"model": "scripted", "input_tokens": 23, "output_tokens": 5, "cost_usd": 0.5}

    limited = flaky(failure, failure, metadata={"limits": {"cost_usd": 0.4}})
    run = carried_out(make.task(), limited)
    assert (run.error, calls(run)) == ("Cost $0.50, more than the limit of $0.40", 2)


def test_a_stop_ends_the_pause_at_once(task, settings):
    settings.RETRY_SECONDS = 300
    working = InBackground(task, flaky({}))
    stop(working.run)
    run = working.ended()

    assert (run.status, calls(run)) == (Status.STOPPED, 1)


def test_a_pause_is_not_the_agents_silence_but_counts_as_time(task, settings):
    settings.RETRY_SECONDS = 1.5
    assert carried_out(task, flaky({}, metadata={"limits": {"idle_seconds": 1}})).status == Status.COMPLETED
    settings.RETRY_SECONDS = 300
    run = carried_out(make.task(), flaky({}, metadata={"limits": {"run_seconds": 1}}))
    assert run.error == "Ran longer than the limit of 1 seconds"


def test_the_reason_shows_no_key_and_no_path(task):
    run = carried_out(task, flaky({"message": "Refused sk-abcdefghijklmnopqrstuvwx, see /etc/secrets/api.key"}))

    assert "sk-" not in said(run)[0][1] and "/etc" not in said(run)[0][1]


# ---------------------------------------------------------------- the length of the pauses
@pytest.mark.parametrize(("failures", "least", "most"), [(1, 2, 2.4), (2, 6, 7.2), (3, 18, 21.6), (9, 300, 360)])
def test_pauses_grow_to_a_longest_and_differ(failures, least, most):
    patience = CallRetryPolicy(retries=20, pause_seconds=2)
    pauses = {patience.pause(TransientError("no"), failures=failures, begun=False) for _ in range(20)}

    assert all(least <= pause <= most for pause in pauses)
    assert len(pauses) > 1


def test_the_wait_that_the_other_side_asks_for_is_kept_to_and_one_too_long_not_waited_for():
    patience = CallRetryPolicy(retries=4, pause_seconds=2)

    def pause(asked: float) -> float | None:
        return patience.pause(TransientError("no", retry_after_seconds=asked), failures=1, begun=False)

    assert 60 <= pause(60) <= 72
    assert 2 <= pause(0.5) <= 2.4
    assert pause(LONGEST_PAUSE_SECONDS) >= LONGEST_PAUSE_SECONDS
    assert pause(LONGEST_PAUSE_SECONDS + 1) is None


def test_usages_add_up_and_what_neither_knows_stays_unknown():
    assert Usage("a", 1, None, None) + Usage(None, 2, 3, None) == Usage("a", 3, 3, None)
    assert Usage() + Usage("b", cost_usd=0.0) == Usage("b", None, None, 0.0)
