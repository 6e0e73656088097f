"""All events in the life of runs, in any order, compared with a plain model on the real database."""

from collections import Counter, defaultdict
from datetime import timedelta

import pytest
from django.db import models
from django.db.models import Q
from django.test import override_settings
from django.utils import timezone
from django_q.models import OrmQ
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from agents.backends.base import Question as Asked
from agents.models import Agent
from mission_control import jobs
from mission_control.actions import tasks
from mission_control.errors import ClaimLost, Refusal
from mission_control.models import (
    Activity,
    Capacity,
    Deliverable,
    DeliverableVersion,
    Message,
    Notification,
    Question,
    Run,
    RunEvent,
    Task,
)
from mission_control.models.agents import with_runs
from mission_control.runs import messages, questions, workers
from mission_control.runs.admission import admit
from mission_control.runs.events import Draft, append
from mission_control.runs.execution import Execution
from mission_control.runs.lifecycle import claim, end_lost, promote, stop
from mission_control.runs.outcomes import Outcome
from mission_control.runs.reaper import Reaper
from mission_control.runs.slots import capacity
from tests import make
from tests.properties.conftest import share
from tests.properties.states import RANK, Model, ModelQuestion, ModelTask

ELSEWHERE = "folder/group/othernode/1-1"
STEPS = 35
DIALOGUE = [
    "ask_people", "ask_people", "park", "park", "answer", "answer", "let_a_question_expire", "write_to_the_agent",
    "deliver_messages", "finish_the_answers",
]  # fmt: skip
LIFE = [
    "ask_for_a_run", "ask_for_a_run", "ask_for_a_run", "claim_a_queued_run", "claim_a_queued_run", "say_something",
    "complete", "fail", "ask_for_a_stop",
]  # fmt: skip
TROUBLE = [
    "let_the_reaper_look", "let_the_leases_run_out", "let_a_reaper_be_late", "deliver_a_job_again", "forget_a_job",
    "let_a_reaper_be_late", "change_the_limit", "change_the_limit", "change_a_priority", "delete_a_task",
    "promote_the_waiting", "give_up",
]  # fmt: skip
some = st.integers(0, 999)  # chooses one of the existing objects


def of(choices: list, number: int):
    return choices[number % len(choices)]


class Runs(RuleBasedStateMachine):
    """Call each action as the product calls it; the model has the expected result.

    There are only three rules, because hypothesis leaves out some rules in each example: so runs always live.
    """

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(limit=2)
        self.agents = [make.agent(), make.agent(level=Agent.Level.INTERN)]
        self.made = [self.make_a_task(number // 4) for number in range(7)]
        self.claims: dict = {}  # run → the claim that its worker has
        self.seen: dict = {}  # run → the row as a reaper once read it
        self.dead = f"{workers.folder_id()}/group/{workers.node()}/999999999-1"

    def teardown(self) -> None:
        """Delete the rows of the example."""
        made: list[type[models.Model]] = [OrmQ, Activity, Notification, Deliverable, Task, Agent]
        for kind in made:
            kind._default_manager.all().delete()

    @initialize(limit=st.integers(0, 3), asked=st.integers(0, 6))
    def begin(self, limit, asked):
        """Begin with some running and some waiting runs, of the same priority or of several."""
        self.change_the_limit(limit, 0)
        for number in range(asked):
            self.ask_for_a_run(number, 0)
        for number in range(limit):
            self.claim_a_queued_run(0, number)

    @rule(what=st.sampled_from(LIFE), number=some, other=some)
    def live(self, what, number, other):
        getattr(self, what)(number, other)

    @rule(what=st.sampled_from(DIALOGUE), number=some, other=some)
    def talk(self, what, number, other):
        getattr(self, what)(number, other)

    @rule(what=st.sampled_from(TROUBLE), number=some, other=some)
    def disturb(self, what, number, other):
        getattr(self, what)(number, other)

    # ------------------------------------------------------------ people
    def make_a_task(self, number: int) -> Task:
        task = make.task(priority=of(list(RANK), number))
        self.model.tasks[task.pk] = ModelTask(task.priority)
        return task

    def ask_for_a_run(self, number, other):
        task, agent, when_full = (
            of(self.made, number),
            of(self.agents, other),
            of(["queue", "queue", "reject"], other),
        )
        expected = self.model.refusal_of(task.pk, when_full)
        with refused(expected):
            run = admit(task, agent, when_full=when_full)
        if expected is None:
            self.model.admit(run.pk, task.pk, agent.pk, reviewed=agent.level == Agent.Level.INTERN)
            assert run.status == self.model.runs[run.pk].status

    def ask_for_a_stop(self, number, other):
        if not (runs := (other % 4 and self.model.having("running", "waiting")) or list(self.model.runs)):
            return
        key = of(runs, number)
        run = self.model.runs[key]
        with refused(None if run.active else "NotRunning"):
            answered = stop(Run(pk=key), wait_seconds=0)
            assert answered.status == ("running" if run.status == "running" else "stopped")
        if run.status == "running":
            run.stop_asked = True
        elif run.active:
            self.model.finish(key, "stopped")

    def change_the_limit(self, number, other):
        self.model.limit = number % 4 + 1
        Capacity.objects.update(limit=self.model.limit)

    def change_a_priority(self, number, other):
        task = of(self.made, number)
        if task.pk in self.model.tasks:
            tasks.change(task, priority=of(list(RANK), other))
            self.model.tasks[task.pk].priority = of(list(RANK), other)

    def delete_a_task(self, number, other):
        """Delete a task and create another; requests to run the deleted one are refused as not found."""
        task = of(self.made, number)
        active = any(run.active and run.task == task.pk for run in self.model.runs.values())
        expected = "HasActiveRuns" if active else None if task.pk in self.model.tasks else "NotFound"
        with refused(expected):
            tasks.delete(task)
        if expected is None:
            self.model.delete(task.pk)
            self.made.append(self.make_a_task(other))

    # ------------------------------------------------------------ people and agents
    def ask_people(self, number, other):
        """Let a worker's agent ask; one whose run was lost cannot."""
        if not self.claims:
            return
        key = self.claimed(number)
        run, row = self.model.runs.get(key), self.claims[key]
        text, default = f"Question {other}?", of(["", "", "yes"], other)
        guard = Q(status="running", claim_token=row.claim_token)
        if run is None or run.status != "running":
            with pytest.raises(ClaimLost):
                questions.create(row, Asked(text), guard=guard)
            return
        for _ in range(1 + other % 2):  # often several at once
            stored = questions.create(row, Asked(text, default=default), guard=guard)
            assert questions.create(row, Asked(text), guard=guard, pk=stored.pk).pk == stored.pk
            self.model.questions[stored.pk] = ModelQuestion(key, text, default)

    def park(self, number, other):
        """Let a worker park its run: only if a question is open, and no stop was requested."""
        if not self.claims:
            return
        key = self.claimed(number)
        run = self.model.runs.get(key)
        if other % 4:
            self.ask_people(number, other)
        is_over = Execution(self.claims[key]).end_once(Outcome("parked"), {})
        if run is None or run.status != "running":
            assert is_over
        elif run.stop_asked:
            assert is_over
            self.model.finish(key, "stopped")
        else:
            assert is_over is bool(self.model.open_questions(key))
            if is_over:
                self.model.park(key)

    def answer(self, number, other):
        if not self.model.questions:
            return
        waiting = [key for key, question in self.model.questions.items() if question.status == "open"]
        key = of(waiting if waiting and number % 4 else list(self.model.questions), number)
        is_open = self.model.questions[key].status == "open"
        with refused(None if is_open else "NotOpen"):
            questions.answer(key, text="no")
        if is_open:
            self.model.settle(key, "answered")

    def finish_the_answers(self, number, other):
        """Answer all questions of a parked run."""
        if parked := self.model.having("parked"):
            run = of(parked, number)
            for key in [key for key, question in self.model.questions.items() if question.run == run]:
                if self.model.questions[key].status == "open":
                    questions.answer(key, text="no")
                    self.model.settle(key, "answered")
            assert self.model.runs[run].status != "parked"

    def let_a_question_expire(self, number, other):
        waiting = [key for key, question in self.model.questions.items() if question.status == "open"]
        if not waiting:
            return
        key = of(waiting, number)
        Question.objects.filter(pk=key).update(expires_at=timezone.now())
        assert questions.expire_due() == 1
        question = self.model.questions[key]
        if question.default:
            self.model.settle(key, "expired")
        else:
            question.status = "expired"
            self.model.finish(question.run, "error", f"Nobody answered in time: {question.text}")

    def write_to_the_agent(self, number, other):
        if not self.model.runs:
            return
        key = of(self.model.having("running", "parked", "queued") or list(self.model.runs), number)
        run = self.model.runs[key]
        with refused(None if run.active else "Ended"):
            message, _ = messages.send(Run(pk=key), f"message {other}", by=None)
        if run.active:
            run.messages.append((message.pk, message.content))

    def deliver_messages(self, number, other):
        """Let a worker log the messages, which marks them as delivered, twice if the commit's answer was lost."""
        if not self.claims:
            return
        key = self.claimed(number)
        run, token = self.model.runs.get(key), self.claims[key].claim_token
        if run is None or run.status != "running" or not run.messages:
            return
        drafts = [Draft("input", text, {"message_id": str(pk)}) for pk, text in run.messages]
        seq = len(run.log)
        for _ in range(1 + other % 2):
            assert len(append(key, token, drafts, after=seq)) == len(drafts)
        run.log += [text for _, text in run.messages]
        run.messages = []

    # ------------------------------------------------------------ a worker
    def claim_a_queued_run(self, number, other):
        if queued := self.model.having("queued"):
            key, dies = of(queued, number), other % 3 == 0
            self.claims[key] = claim(key, worker=self.dead if dies else ELSEWHERE)
            self.model.runs[key].status, self.model.runs[key].dead = "running", dies
            self.seen[key] = Run.objects.get(pk=key)

    def deliver_a_job_again(self, number, other):
        if begun := [key for key, run in self.model.runs.items() if run.status != "queued"]:
            key = of(begun, number)
            assert claim(key, worker="late") is None
            if other % 4 == 0:
                jobs.execute_run(str(key))

    def say_something(self, number, other):
        if not self.claims:
            return
        key = self.claimed(number)
        run, token = self.model.runs.get(key), self.claims[key].claim_token
        said = ["a", "b", "c"][: other % 3 + 1]
        drafts, seq = [Draft("message", text) for text in said], len(run.log) if run else 1
        if run is None or run.status != "running":
            with pytest.raises(ClaimLost):
                append(key, token, drafts, after=seq)
            return
        run.log += said
        run.said += "".join(said)
        stored = [event.seq for event in append(key, token, drafts, after=seq)]
        assert stored == list(range(seq + 1, len(run.log) + 1))
        if other % 2:  # the commit's answer was lost: the worker stores the events again
            assert [event.seq for event in append(key, token, drafts, after=seq)] == stored
        if other % 4 == 3:
            self.seen[key] = Run.objects.get(pk=key)

    def claimed(self, number: int):
        """Choose a claim: more often of a running run than of one that was lost or has ended."""
        running = self.model.having("running")
        return of(running if running and number % 4 else list(self.claims), number)

    def complete(self, number, other):
        self.end(number, "completed")

    def fail(self, number, other):
        self.end(number, "error", "it failed")

    def give_up(self, number, other):
        self.end(number, "stopped")

    def end(self, number: int, outcome: str, error: str = "") -> None:
        """End a run as the worker does; one that was stopped or lost before cannot succeed any more."""
        if not self.claims:
            return
        key = self.claimed(number)
        is_over = Execution(self.claims[key]).end_once(Outcome(outcome, error), {})
        run = self.model.runs.get(key)
        is_ours = run is not None and run.status == "running"
        is_unheard = outcome == "completed" and is_ours and bool(run.messages) and not run.stop_asked
        assert is_over is not is_unheard, "a run with a message that its agent has not got is not completed"
        if run is not None and is_ours and is_over:
            self.model.finish(key, *(("stopped", "") if run.stop_asked else (outcome, error)))

    # ------------------------------------------------------------ the reaper
    def let_the_reaper_look(self, number, other):
        self.look(lease=3600)

    def let_the_leases_run_out(self, number, other):
        self.look(lease=0)

    def look(self, *, lease: int) -> None:
        """Let the reaper end runs of dead workers on this machine at once, others when the lease has run out."""
        lost = [key for key in self.model.having("running") if lease == 0 or self.model.runs[key].dead]
        order = list(Run.objects.filter(pk__in=lost).values_list("pk", flat=True))  # in the reaper's order
        with override_settings(LEASE_SECONDS=lease):
            Reaper().tick()
        for key in order:
            self.model.lose(key)
        self.model.promote()

    def let_a_reaper_be_late(self, number, other):
        """Let a reaper end a run that it read earlier: only if its lease was not renewed since."""
        if not self.claims:
            return
        key = self.claimed(number)
        seen, run = self.seen[key], self.model.runs.get(key)
        unchanged = Run.objects.filter(pk=key, lease_renewed_at=seen.lease_renewed_at).exists()
        asleep = run is not None and run.status == "running" and unchanged
        assert end_lost(seen) is asleep
        if asleep:
            self.model.lose(key)

    def forget_a_job(self, number, other):
        if queued := self.model.having("queued"):
            Run.objects.filter(pk=of(queued, number)).update(enqueued_at=timezone.now() - timedelta(hours=1))
            self.model.jobs += 1
            self.look(lease=3600)

    def promote_the_waiting(self, number, other):
        waiting = set(self.model.having("waiting"))
        self.model.promote()
        assert {run.pk for run in promote()} == waiting - set(self.model.having("waiting"))

    # ------------------------------------------------------------ invariants
    @invariant()
    def the_database_is_as_the_model_says(self):
        self.runs_are_as_the_model_says()
        self.every_log_is_numbered_without_gap_or_double_and_ends_once()
        self.questions_and_messages_are_as_the_model_says()
        self.tasks_and_agents_read_as_the_contract_says()
        self.no_more_hold_a_slot_than_the_limit_allowed_and_no_task_runs_twice()
        assert OrmQ.objects.count() == self.model.jobs, "each start has its job"

    def runs_are_as_the_model_says(self):
        found = Run.objects.values_list(
            "pk", "status", "slot", "attempt", "error", "last_seq", "stop_requested_at"
        )
        assert {key: (*rest, bool(asked)) for key, *rest, asked in found} == {
            key: (run.status, run.slot, run.attempt, run.error, len(run.log), run.stop_asked)
            for key, run in self.model.runs.items()
        }

    def questions_and_messages_are_as_the_model_says(self):
        found = Question.objects.values_list("pk", "status", "run_id")
        assert {key: (status, run) for key, status, run in found} == {
            key: (question.status, question.run) for key, question in self.model.questions.items()
        }
        undelivered = Message.objects.filter(delivered_at=None).exclude(delivery="").values_list("pk", flat=True)
        assert set(undelivered) == {pk for run in self.model.runs.values() for pk, _ in run.messages}
        waiting = {question.run for question in self.model.questions.values() if question.status == "open"}
        assert set(self.model.having("parked")) <= waiting, "a parked run waits for an answer"

    def every_log_is_numbered_without_gap_or_double_and_ends_once(self):
        logs = defaultdict(list)
        for key, seq, content in RunEvent.objects.order_by("seq").values_list("run_id", "seq", "content"):
            logs[key].append((seq, content))
        assert logs == {key: list(enumerate(run.log, start=1)) for key, run in self.model.runs.items() if run.log}

    def tasks_and_agents_read_as_the_contract_says(self):
        kept = Counter(DeliverableVersion.objects.values_list("deliverable__task_id", flat=True))
        found = Task.objects.values_list("pk", "status")
        assert {key: (status, kept[key]) for key, status in found} == {
            key: (task.status, task.documents) for key, task in self.model.tasks.items()
        }
        holding = Counter(run.agent for run in self.model.runs.values() if run.holding)
        for agent in with_runs():
            derived = vars(agent)
            assert derived["running_count"] == holding[agent.pk]
            assert derived["derived_status"] == ("active" if holding[agent.pk] else "idle")

    def no_more_hold_a_slot_than_the_limit_allowed_and_no_task_runs_twice(self):
        counts = Counter(run.status for run in self.model.runs.values())
        holding = counts["queued"] + counts["running"]
        assert capacity() == {
            "limit": self.model.limit, "running": counts["running"], "queued": counts["queued"],
            "waiting": counts["waiting"], "available": max(self.model.limit - holding, 0),
        }  # fmt: skip
        active = Counter(run.task for run in self.model.runs.values() if run.active)
        assert set(active.values()) <= {1}


class refused:  # noqa: N801 - reads as pytest.raises does
    """Expect a refusal of this name, or none."""

    def __init__(self, name: str | None) -> None:
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind, error, _) -> bool:
        if kind is not None and not issubclass(kind, Refusal):
            return False
        assert (kind and kind.__name__) == self.name
        return True


@pytest.mark.usefixtures("database")
def test_any_order_of_events_leaves_the_runs_as_the_rules_say():
    run_state_machine_as_test(Runs, settings=settings(share(0.2), stateful_step_count=STEPS))
