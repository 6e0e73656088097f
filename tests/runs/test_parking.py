"""A run whose account's quota is used up is parked, and continues when it is there again."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from django.db.models import Q
from django.utils import timezone

from agents.backends.base import QuotaUsedUp, Session, Usage
from mission_control.actions import agents, project_execution, tasks
from mission_control.errors import HasActiveRuns, Invalid, NotParked
from mission_control.models import Message, QuotaGate, Run, RunEvent, Task
from mission_control.models.quota import account_name
from mission_control.runs import parking, quota_gates
from mission_control.runs.execution import execute
from mission_control.runs.lifecycle import promote, stop
from mission_control.runs.parking import resume_due
from mission_control.runs.slots import capacity
from tests import make, rivals
from tests.backends import Scripted, says

Status = Run.Status


class Metered(Scripted):
    """Says a word and then finds its quota used up, as long as `used_up` has its account."""

    name = "metered"
    capabilities: ClassVar[tuple[str, ...]] = ("sessions",)
    used_up: ClassVar[dict[str, datetime | None]] = {}
    calls: ClassVar[list[str]] = []
    prompts: ClassVar[list[str]] = []

    @classmethod
    def account(cls, options):
        return options.get("account", "claude")

    async def stream(self, prompt, options, workdir):
        account = self.account(options)
        self.calls.append(self.earlier_session)
        self.prompts.append(prompt)
        yield Session("the conversation")
        yield says("word ")
        yield Usage(model="metered", input_tokens=3, output_tokens=5, cost_usd=0.5)
        if account in self.used_up:
            raise QuotaUsedUp("The limit is reached", account=account, resets_at=self.used_up[account])
        yield says("done")


@pytest.fixture(autouse=True)
def metered(settings):
    settings.MISSION_CONTROL_BACKENDS = {"metered": "tests.runs.test_parking.Metered"}
    Metered.used_up, Metered.calls, Metered.prompts = {}, [], []


def later(**length) -> datetime:
    return timezone.now() + timedelta(**length)


def an_agent(account: str = "claude", **fields):
    return make.agent(backend="metered", backend_options={"account": account}, **fields)


def carried_out(run: Run) -> Run:
    execute(run.pk)
    return Run.objects.get(pk=run.pk)


def parked(agent=None, *, resets_at: datetime | None = None, task: Task | None = None) -> Run:
    agent = agent or an_agent()
    Metered.used_up[Metered.account(agent.backend_options)] = resets_at
    run = carried_out(make.run(task or make.task(), agent))
    assert run.status == Status.PARKED
    return run


def the_time_has_come() -> None:
    """Let the closed gates' time pass, and the reaper look."""
    QuotaGate.objects.update(closed_until=timezone.now())
    Run.objects.parked().update(resumes_at=timezone.now())
    resume_due()
    promote()


def statuses(*runs: Run) -> list[str]:
    return [Run.objects.get(pk=run.pk).status for run in runs]


def phases(run: Run) -> list[str | None]:
    events = RunEvent.objects.filter(run=run, type=RunEvent.Type.STATUS).order_by("seq")
    return [event.metadata.get("phase") for event in events]


# ---------------------------------------------------------------- parking
def test_parked_run_has_no_slot_and_its_task_stays_in_progress():
    resets_at = later(hours=3).replace(microsecond=0)
    run = parked(resets_at=resets_at)
    assert (run.slot, run.claim_token, run.worker, run.finished_at) == (None, None, "", None)
    assert (run.parked_for, run.resumes_at, run.end_cause) == ("quota", resets_at, "")
    assert Task.objects.get(pk=run.task_id).status == Task.Status.IN_PROGRESS
    assert capacity()["available"] == 5
    assert phases(run) == ["started", "parked"]
    assert run.usage["output_tokens"] == 5


def test_parked_run_continues_under_the_same_id_in_the_same_conversation():
    run = parked(resets_at=later(hours=3))
    Metered.used_up.clear()
    the_time_has_come()
    done = carried_out(run)
    assert (done.status, done.output, done.attempt) == (Status.COMPLETED, "word word done", 1)
    assert Metered.calls == ["", "the conversation"]
    assert "word" in Metered.prompts[1] and Metered.prompts[1].endswith(Metered.prompts[0][-40:])
    assert phases(run) == ["started", "parked", "resumed", "ended"]
    assert list(RunEvent.objects.filter(run=run).order_by("seq").values_list("seq", flat=True)) == [*range(1, 7)]
    assert (done.usage["input_tokens"], done.usage["cost_usd"]) == (6, 1.0)
    assert done.started_at == run.started_at
    assert not QuotaGate.objects.exists()
    assert Task.objects.get(pk=run.task_id).status == Task.Status.DONE


def test_parked_run_does_not_continue_before_its_time():
    run = parked(resets_at=later(minutes=1))
    resume_due()
    assert statuses(run) == [Status.PARKED]


def test_runs_on_the_same_account_are_parked_without_a_call_and_others_work():
    run = parked(resets_at=later(hours=1))
    same, other = make.run(by=an_agent()), make.run(by=an_agent("another"))
    assert carried_out(same).status == Status.PARKED
    assert Run.objects.get(pk=same.pk).resumes_at == run.resumes_at
    assert len(Metered.calls) == 1
    assert carried_out(other).status == Status.COMPLETED


def test_one_run_tests_the_quota_and_the_others_follow_when_it_has_an_answer():
    agent = an_agent()
    first = parked(agent, resets_at=later(hours=1))
    second, third = (carried_out(make.run(by=agent)) for _ in range(2))
    the_time_has_come()
    resume_due()
    assert statuses(first, second, third) == [Status.QUEUED, Status.PARKED, Status.PARKED]
    Metered.used_up.clear()
    assert carried_out(first).status == Status.COMPLETED
    resume_due()
    promote()
    assert statuses(second, third) == [Status.QUEUED, Status.QUEUED]


def test_others_follow_while_the_first_one_still_works():
    agent = an_agent()
    first = parked(agent, resets_at=later(hours=1))
    second = carried_out(make.run(by=agent))
    the_time_has_come()
    Run.objects.filter(pk=first.pk).update(status=Status.RUNNING, claim_token=first.pk)
    resume_due()
    assert statuses(second) == [Status.PARKED]
    at = timezone.now() + timedelta(seconds=1)
    RunEvent.objects.create(run=first, seq=first.last_seq + 2, type="message", content="word", timestamp=at)
    Run.objects.filter(pk=first.pk).update(enqueued_at=at - timedelta(hours=1))
    RunEvent.objects.filter(run=first, type="message").update(timestamp=at - timedelta(minutes=1))
    resume_due()
    assert statuses(second) == [Status.WAITING]


def test_failed_test_closes_the_gate_again_for_all():
    agent = an_agent()
    first = parked(agent, resets_at=later(hours=1))
    second = carried_out(make.run(by=agent))
    the_time_has_come()
    Metered.used_up["claude"] = later(hours=5)
    assert carried_out(first).status == Status.PARKED
    gate = QuotaGate.objects.get()
    assert gate.closings == 2
    assert [Run.objects.get(pk=run.pk).resumes_at for run in (first, second)] == [gate.closed_until] * 2
    assert gate.closed_until == Metered.used_up["claude"]


def test_run_that_began_before_the_time_does_not_count_as_a_failed_test():
    agent = an_agent()
    parked(agent, resets_at=later(hours=1))
    QuotaGate.objects.update(closed_until=timezone.now())
    resets_at = later(seconds=2)
    gate = quota_gates.close_gate("claude", agent=agent, reason="Refused", resets_at=resets_at, is_test=False)
    assert (gate.closings, gate.closed_until) == (1, resets_at)


def test_test_that_was_stopped_is_followed_by_the_next_run():
    agent = an_agent()
    first = parked(agent, resets_at=later(hours=1))
    second = carried_out(make.run(by=agent))
    the_time_has_come()
    stop(first)
    resume_due()
    assert statuses(first, second) == [Status.STOPPED, Status.WAITING]


def test_gate_opens_when_no_run_waits_for_it():
    run = parked(resets_at=later(hours=1))
    stop(run)
    QuotaGate.objects.update(closed_until=timezone.now())
    resume_due()
    assert not QuotaGate.objects.exists()


# ---------------------------------------------------------------- the time of the reset
@pytest.mark.parametrize(
    ("resets_at", "closings", "minutes"),
    [
        (None, 1, 5),
        (None, 2, 10),
        (None, 100, 60),
        (timedelta(minutes=-1), 1, 5),
        (timedelta(days=-100_000), 3, 20),
        (timedelta(minutes=3), 1, 3),
        (timedelta(minutes=3), 2, 10),
        (timedelta(hours=3), 2, 180),
        (timedelta(days=8), 1, 7 * 24 * 60),
        (timedelta(days=2_900_000), 1, 7 * 24 * 60),
    ],
)
def test_reset_time_is_limited_whatever_the_provider_says(resets_at, closings, minutes):
    now = datetime(2026, 11, 30, tzinfo=UTC)
    at = None if resets_at is None else now + resets_at
    until = quota_gates.closed_until(at, closings=closings, now=now)
    assert until == now + timedelta(minutes=minutes)


def test_unknown_time_is_said_in_the_output():
    run = parked(resets_at=None)
    notice = RunEvent.objects.get(run=run, metadata__phase="parked").content
    assert notice.startswith("The quota of Claude is used up; it did not say until when. Tries again at ")


def test_quota_that_is_used_up_for_too_long_ends_the_run(settings):
    run = parked(resets_at=None)
    QuotaGate.objects.update(closed_since=later(seconds=-settings.MAX_PARK_SECONDS))
    the_time_has_come()
    ended = carried_out(run)
    assert (ended.status, ended.end_cause) == (Status.ERROR, Run.EndCause.QUOTA)


def test_quota_of_an_unnamed_account_is_given_up_as_well(settings):
    run = parked(an_agent(""), resets_at=None)
    assert run.quota_account == "metered"  # named after the backend
    QuotaGate.objects.update(closed_since=later(seconds=-settings.MAX_PARK_SECONDS))
    the_time_has_come()
    assert carried_out(run).status == Status.ERROR


def test_time_without_a_zone_is_one_in_utc():
    naive = later(hours=1).replace(tzinfo=None)
    assert parked(resets_at=naive).resumes_at == naive.replace(tzinfo=UTC)


def test_parking_can_be_switched_off(settings):
    settings.PARK_ON_QUOTA = False
    Metered.used_up["claude"] = later(hours=1)
    run = carried_out(make.run(by=an_agent()))
    assert (run.status, run.end_cause, run.error) == (Status.ERROR, Run.EndCause.QUOTA, "The limit is reached")
    assert not QuotaGate.objects.exists()


def test_parked_runs_continue_when_parking_is_switched_off(settings):
    run = parked(resets_at=later(hours=1))
    settings.PARK_ON_QUOTA = False
    resume_due()
    assert statuses(run) == [Status.WAITING]


@pytest.mark.parametrize(
    ("account", "name"),
    [
        ("openai:…a1b2", "OpenAI (…a1b2)"),
        ("openrouter", "OpenRouter"),
        ("codex:second", "Codex (second)"),
        ("demo:1a2b", "the demo agent"),
        ("localhost:8000", "localhost:8000"),
        ("[::1]:8000", "[::1]:8000"),
    ],
)
def test_account_is_named_for_users(account, name):
    assert account_name(account) == name


# ---------------------------------------------------------------- what people do with a parked run
def test_try_now_tests_the_quota_at_once():
    run = parked(resets_at=later(hours=1))
    assert parking.continue_now(run).status == Status.QUEUED
    resets_at = later(hours=2)
    Metered.used_up["claude"] = resets_at
    again = carried_out(run)
    assert (again.status, again.resumes_at) == (Status.PARKED, resets_at)
    Metered.used_up.clear()
    parking.continue_now(again)
    assert carried_out(run).status == Status.COMPLETED
    with pytest.raises(NotParked):
        parking.continue_now(again)


def test_another_agent_takes_the_run_over_in_a_conversation_of_its_own():
    run = parked(resets_at=later(hours=1))
    other = an_agent("another", name="Other")
    parking.continue_now(run, agent=other)
    done = carried_out(run)
    assert (done.status, done.agent, done.agent_name) == (Status.COMPLETED, other, "Other")
    assert Metered.calls == ["", ""]
    sentence = "The quota of Claude is used up. Other continues."
    assert Message.objects.get(task=run.task).content == sentence
    assert RunEvent.objects.filter(run=run, content=sentence).exists()


def test_parked_run_can_be_stopped_at_once():
    run = stop(parked(resets_at=later(hours=1)))
    assert (run.status, run.end_cause, run.parked_for, run.resumes_at) == (Status.STOPPED, "stopped", "", None)
    assert Task.objects.get(pk=run.task_id).status == Task.Status.BLOCKED


def test_run_that_was_parked_and_waits_for_a_slot_can_be_stopped():
    run = parked(resets_at=later(hours=1))
    make.limit(1)
    busy = make.run()
    assert parking.continue_now(run).status == Status.WAITING
    stop(run)
    assert Task.objects.get(pk=run.task_id).status == Task.Status.BLOCKED
    stop(busy)


def test_paused_project_stops_its_parked_runs_and_starts_them_when_it_is_resumed():
    project = make.project(status="executing")
    agent = an_agent()
    task = make.task(project=project, assignees=[agent])
    Metered.used_up["claude"] = later(hours=1)
    run = carried_out(Run.objects.active().get(task=task))
    assert run.status == Status.PARKED
    project_execution.pause(project)
    assert statuses(run) == [Status.STOPPED]
    assert Task.objects.get(pk=task.pk).status == Task.Status.ASSIGNED
    project_execution.resume(project)
    assert not Run.objects.active().filter(task=task).exists()  # its agent has no quota
    quota_gates.open_gate("claude")
    Metered.used_up.clear()
    project_execution.pause(project)
    project_execution.resume(project)
    assert Run.objects.active().get(task=task).attempt == 2


def test_skipped_task_ends_its_parked_run():
    run = parked(resets_at=later(hours=1))
    tasks.skip(run.task)
    assert statuses(run) == [Status.STOPPED]
    assert Task.objects.get(pk=run.task_id).status == Task.Status.SKIPPED


def test_task_and_agent_of_a_parked_run_are_not_deleted():
    run = parked(resets_at=later(hours=1))
    with pytest.raises(HasActiveRuns):
        tasks.delete(run.task)
    with pytest.raises(HasActiveRuns):
        agents.delete(run.agent)


def test_lowered_limit_lets_a_parked_run_wait():
    run = parked(resets_at=later(hours=1))
    make.limit(1)
    busy = make.run()
    quota_gates.open_gate("claude")
    resume_due()
    promote()
    assert statuses(run) == [Status.WAITING]
    stop(busy)
    assert statuses(run) == [Status.QUEUED]


def test_run_with_a_stop_request_is_not_parked():
    run = make.run(by=an_agent())
    Run.objects.filter(pk=run.pk).update(
        status=Status.RUNNING, claim_token=run.pk, started_at=timezone.now(), stop_requested_at=timezone.now()
    )
    sentence = parking.Parking(Run.ParkedFor.QUOTA, "The quota is used up", None)
    assert not parking.park(run.pk, sentence, guard=Q(claim_token=run.pk))


# ---------------------------------------------------------------- fallback agents
def test_fallback_agent_continues_at_once():
    fallback = an_agent("another", name="Second")
    agent = an_agent(fallback_agent=fallback)
    Metered.used_up["claude"] = later(hours=1)
    run = carried_out(make.run(by=agent))
    assert (run.status, run.agent) == (Status.QUEUED, fallback)
    assert carried_out(run).status == Status.COMPLETED
    assert Message.objects.get(task=run.task).content == "The quota of Claude is used up. Second continues."


def test_run_is_parked_if_all_fallbacks_have_no_quota_either():
    last = an_agent("claude", name="Third")
    second = an_agent("another", name="Second", fallback_agent=last)
    parked(an_agent("another"), resets_at=later(hours=2))
    run = parked(an_agent(fallback_agent=second), resets_at=later(hours=1))
    assert run.quota_account == "claude"


def test_fallback_that_is_named_later_continues_parked_runs():
    agent = an_agent()
    run = parked(agent, resets_at=later(hours=1))
    agents.change(agent, fallback_agent=an_agent("another"))
    resume_due()
    assert statuses(run) == [Status.WAITING]


def test_fallbacks_must_not_form_a_circle():
    agent = an_agent()
    with pytest.raises(Invalid, match="its own fallback"):
        agents.change(agent, fallback_agent=agent)
    second = an_agent(fallback_agent=agent)
    with pytest.raises(Invalid, match="circle"):
        agents.change(agent, fallback_agent=second)


def test_circle_that_two_simultaneous_changes_made_does_no_harm():
    agent, second = an_agent(), an_agent()
    agent.__class__.objects.filter(pk=agent.pk).update(fallback_agent=second)
    second.__class__.objects.filter(pk=second.pk).update(fallback_agent=agent)
    agent.refresh_from_db()
    assert parked(agent, resets_at=later(hours=1)).agent == agent


# ---------------------------------------------------------------- agents and accounts
def test_agent_that_changes_its_account_does_not_wait_for_the_old_one():
    agent = an_agent()
    parked(an_agent(), resets_at=later(hours=1))
    assert QuotaGate.of(agent.pk) is not None
    agents.change(agent, backend_options={"account": "another"})
    assert QuotaGate.of(agent.pk) is None
    assert QuotaGate.of(an_agent().pk) is not None


def test_due_task_of_an_agent_without_quota_waits_and_says_why():
    from mission_control.scheduling.waiting_reasons import waiting_for

    agent = an_agent()
    parked(agent, resets_at=later(hours=1))
    project = make.project(status="executing")
    task = make.task(project=project, assignees=[agent])
    assert not Run.objects.filter(task=task).exists()
    rows = Task.objects.with_links().select_related("last_run").filter(project=project)
    assert waiting_for(project, rows)[str(task.pk)].startswith("waits for Claude until ")


def test_due_task_starts_although_its_agent_has_no_quota_if_any_fallback_has():
    last = an_agent("third", name="Third")
    second = an_agent("another", fallback_agent=last)
    agent = an_agent(fallback_agent=second)
    for account in ("claude", "another"):
        parked(an_agent(account), resets_at=later(hours=1))
    project = make.project(status="executing")
    task = make.task(project=project, assignees=[agent])
    run = carried_out(Run.objects.active().get(task=task))
    assert (run.status, run.agent) == (Status.QUEUED, last)


def test_task_that_waits_for_a_slot_does_not_wait_for_a_quota_that_a_fallback_has():
    agent = an_agent(fallback_agent=an_agent("another"))
    parked(an_agent(), resets_at=later(hours=1))
    assert quota_gates.waits_for_quota([agent.pk]) == {}


# ---------------------------------------------------------------- rivals
def look() -> str:
    """Look as one reaper does, and promote."""
    resume_due()
    promote()
    return "looked"


def stop_or_look(what: str, run) -> str:
    return look() if what == "look" else stop(Run.objects.get(pk=run), wait_seconds=0).status


def test_of_many_reapers_one_starts_the_test():
    agent = an_agent()
    runs = [parked(agent, resets_at=later(hours=1)), *(carried_out(make.run(by=agent)) for _ in range(3))]
    QuotaGate.objects.update(closed_until=timezone.now())
    assert rivals.race(look, [()] * 8) == ["looked"] * 8
    assert sorted(statuses(*runs)) == [Status.PARKED] * 3 + [Status.QUEUED]
    assert [RunEvent.objects.filter(run=run, metadata__phase="resumed").count() for run in runs] == [1, 0, 0, 0]


def test_of_many_reapers_each_parked_run_continues_once():
    agent = an_agent()
    runs = [parked(agent, resets_at=later(hours=1)), *(carried_out(make.run(by=agent)) for _ in range(3))]
    quota_gates.open_gate("claude")
    rivals.race(look, [()] * 8)
    assert statuses(*runs) == [Status.QUEUED] * 4
    assert {run.events.filter(metadata__phase="resumed").count() for run in runs} == {1}


def test_run_that_is_stopped_while_it_continues_is_stopped_once():
    for _ in range(3):
        run = parked(resets_at=later(hours=1))
        quota_gates.open_gate("claude")
        answers = rivals.race(stop_or_look, [("look", None), ("stop", run.pk)] * 2, processes=4)
        assert statuses(run) == [Status.STOPPED], answers
        assert run.events.filter(metadata__phase="ended").count() == 1
        assert not Run.objects.holding().exists()
