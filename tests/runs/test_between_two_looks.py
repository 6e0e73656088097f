"""Rivals that act between a read and a write of ours: the decision comes from the write, never from the read."""

import gc
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.db.models import Q
from django.utils import timezone

from mission_control.actions import documents
from mission_control.errors import AlreadyRunning, LimitReached
from mission_control.models import Run, Task
from mission_control.runs import admission, async_database, workers
from mission_control.runs.admission import admit
from mission_control.runs.execution import execute
from mission_control.runs.lifecycle import claim, finish, promote, stop
from mission_control.runs.reaper import Reaper, reenqueue_unstarted
from tests import backends, make
from tests.runs.test_outage import away, work
from tests.servers import wait_until

Status = Run.Status


@contextmanager
def rival(act: Callable[[], Any], *, after: str, wait_seconds: float = 30) -> Iterator[None]:
    """Let a rival act, on its own connection, right after our first query that begins with `after`.

    Our code continues when it has acted, or after `wait_seconds`, because it may have to wait for a lock of ours.
    """
    pending = [act]

    def acting() -> None:
        try:
            pending.pop()()
        finally:
            connection.close()

    def watch(execute, sql, params, many, context):
        answer = execute(sql, params, many, context)
        if pending and sql.startswith(after):
            thread = threading.Thread(target=acting)
            thread.start()
            thread.join(wait_seconds)
        return answer

    with connection.execute_wrapper(watch):
        yield
    assert not pending, "nobody had the occasion to act"


SLOTS = 'SELECT "mission_control_run"."slot"'


def waits(task: Task, agent) -> Run:
    return admit(task, agent, when_full="queue")


def status(run: Run) -> str:
    return Run.objects.values_list("status", flat=True).get(pk=run.pk)


@pytest.fixture
def a_slot_comes_free(tasks, agent) -> list[Run]:
    """Return two waiting runs, while a slot is free for which no run has been promoted yet."""
    make.limit(1)
    admit(tasks[0], agent)
    waiting = [waits(tasks[1], agent), waits(tasks[2], agent)]
    make.limit(2)
    return waiting


def test_a_task_that_a_rival_runs_after_our_look_is_already_running(task, agent):
    with rival(lambda: admit(task, agent), after=SLOTS), pytest.raises(AlreadyRunning):
        admit(task, agent)
    assert Run.objects.count() == 1


def test_a_slot_that_a_rival_takes_after_our_look_is_not_taken_twice(tasks, agent, monkeypatch):
    make.limit(1)
    monkeypatch.setattr(admission, "ATTEMPTS", 1)
    with rival(lambda: admit(tasks[0], agent), after=SLOTS), pytest.raises(LimitReached):
        admit(tasks[1], agent)
    assert Run.objects.count() == 1


def test_two_who_promote_at_once_start_one_run_on_one_slot(a_slot_comes_free):
    with rival(promote, after=SLOTS):
        assert promote() == []
    assert [status(run) for run in a_slot_comes_free] == [Status.QUEUED, Status.WAITING]


def test_a_rival_may_start_the_last_that_waits(tasks, agent):
    make.limit(1)
    admit(tasks[0], agent)
    last = waits(tasks[1], agent)
    make.limit(2)
    with rival(promote, after=SLOTS):
        assert promote() == []
    assert status(last) == Status.QUEUED


@pytest.mark.server
def test_a_slot_that_a_rival_hands_on_during_our_end_is_not_handed_on_twice(tasks, agent):
    """On SQLite nothing else can write while we end a run."""
    make.limit(2)
    forgotten, ending = admit(tasks[0], agent), admit(tasks[1], agent)
    waiting = [waits(tasks[2], agent), waits(tasks[3], agent)]
    Run.objects.filter(pk=forgotten.pk).update(status=Status.STOPPED, finished_at=timezone.now())
    with rival(promote, after=SLOTS):
        assert finish(ending.pk, Status.STOPPED, guard=Q())
    assert [status(run) for run in waiting] == [Status.QUEUED, Status.QUEUED]
    assert Run.objects.holding().values("slot").distinct().count() == 2


def test_a_run_that_is_claimed_during_its_stop_is_told_to_stop(task, agent):
    run = admit(task, agent)
    with rival(lambda: claim(run.pk, worker="elsewhere"), after="SELECT COUNT(*)"):
        assert stop(run, wait_seconds=0).status == Status.RUNNING
    assert Run.objects.get(pk=run.pk).stop_requested_at is not None


def test_a_run_that_ends_after_the_reapers_look_is_not_declared_lost(task, agent):
    run = admit(task, agent)
    claim(run.pk, worker=f"{workers.folder_id()}/group/{workers.node()}/999999999-1")
    with rival(lambda: finish(run.pk, Status.COMPLETED, guard=Q()), after='SELECT "mission_control_run"."id"'):
        Reaper().tick()
    assert status(run) == Status.COMPLETED


def test_two_who_enqueue_a_forgotten_run_at_once_enqueue_it_once(task, agent):
    run = admit(task, agent)
    Run.objects.filter(pk=run.pk).update(enqueued_at=timezone.now() - timedelta(hours=1))
    with rival(reenqueue_unstarted, after='SELECT "mission_control_run"."id"'):
        assert reenqueue_unstarted() == 0
    assert Run.objects.get(pk=run.pk).enqueue_count == 2


def test_a_planning_of_a_project_gets_a_slot_and_ends_without_a_task(agent):
    planning = Run.objects.create(
        kind=Run.Kind.PLANNING,
        project=make.project(),
        agent=agent,
        agent_name=agent.name,
        status=Status.WAITING,
        queued_at=timezone.now(),
    )
    assert promote() == [planning]
    assert finish(planning.pk, Status.STOPPED, guard=Q())
    said = list(planning.events.values_list("content", flat=True))
    assert said == ["started", "Planning was stopped", "stopped"]


# ---------------------------------------------------------------- agents and workers that break off
def test_a_run_whose_agent_was_deleted_before_it_began_says_so(task, agent):
    run = admit(task, agent)
    agent.delete()
    execute(run.pk)

    run.refresh_from_db()
    assert (run.status, run.error) == (Status.ERROR, "The agent of this run was deleted")


@pytest.fixture
def an_agent(settings):
    settings.MISSION_CONTROL_BACKENDS = backends.NAMES
    return lambda backend: make.agent(backend=backend)


def test_an_agent_that_ends_its_process_takes_no_worker_with_it(task, an_agent, caplog):
    run = admit(task, an_agent("leaving"))
    execute(run.pk)

    run.refresh_from_db()
    assert (run.status, run.error) == (Status.ERROR, "The worker failed")
    assert "the run failed unexpectedly" in caplog.text
    gc.collect()  # let asyncio report the broken task now, not during another test's imports


def test_an_agent_that_fails_while_it_is_cancelled_is_stopped_all_the_same(task, an_agent, caplog):
    run = admit(task, an_agent("sulking"))
    worker = threading.Thread(target=work, args=[run])
    worker.start()
    wait_until(lambda: Run.objects.get(pk=run.pk).last_seq > 1, what="the first output")
    stop(run)
    worker.join(30)

    assert status(run) == Status.STOPPED
    assert "the agent failed while it was cancelled: RuntimeError" in caplog.text


def test_a_run_outlives_a_database_that_does_not_answer_its_pulse(task, an_agent, caplog):
    run = admit(task, an_agent("silent"))
    worker = threading.Thread(target=work, args=[run])
    worker.start()
    wait_until(lambda: Run.objects.get(pk=run.pk).last_seq > 1, what="the first output")
    with away(Run):
        wait_until(lambda: "does not answer the pulse" in caplog.text, what="the pulse to miss the database")
    assert status(run) == Status.RUNNING
    stop(run)
    worker.join(30)

    assert status(run) == Status.STOPPED


def test_a_worker_that_shuts_down_claims_nothing_more(task, agent, monkeypatch):
    monkeypatch.setattr(workers, "_closing", bytearray(1))
    run = admit(task, agent)
    workers.stop_claiming()
    execute(run.pk)
    assert status(run) == Status.QUEUED


def test_a_document_that_a_person_revises_keeps_the_run_that_handed_it_in(task, agent):
    run = admit(task, agent)
    execute(run.pk)
    [document] = task.deliverables.all()
    revised = documents.change(document, content="Better.", editor_id="human")

    assert (revised.version, revised.run) == (2, run)
    assert revised.versions.get(version=2).run is None


def test_where_there_is_no_proc_a_process_is_known_by_its_pid():
    assert workers._alive_without_proc(os.getpid()) == "alive"
    assert workers._alive_without_proc(999_999_999) == ""


def test_a_requester_who_is_deleted_meanwhile_leaves_no_run(task, agent):
    user = make.user()
    type(user).objects.filter(pk=user.pk).delete()
    with pytest.raises(IntegrityError):
        admit(task, agent, by=user)
    assert not Run.objects.exists()


async def test_what_the_database_refuses_is_not_offered_again():
    offers = []

    def refused():
        offers.append(1)
        raise IntegrityError

    with pytest.raises(IntegrityError):
        await async_database.persist(refused)
    assert len(offers) == 1


async def test_a_database_that_stays_away_is_not_waited_for_for_ever(settings):
    settings.DATABASE_PATIENCE_SECONDS = 0.0

    def away_for_good():
        raise OperationalError

    with pytest.raises(OperationalError):
        await async_database.persist(away_for_good)
