"""No run remains active when its worker is gone, and no healthy run is ended."""

import os
import shutil
import signal
from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from agents.models import Agent
from mission_control.models import Run, Task
from mission_control.runs import workers
from mission_control.runs.admission import admit
from mission_control.runs.execution import execute
from mission_control.runs.lifecycle import claim, stop
from mission_control.runs.reaper import Reaper, recover
from pocketpaw_site.environment import folder_identity
from tests import backends, rivals
from tests.servers import wait_until

Status = Run.Status
ELSEWHERE = "folder/group/othernode/1-1"


@pytest.fixture
def run(task, agent) -> Run:
    """Return a run held by a worker on another machine."""
    return claim(admit(task, agent).pk, worker=ELSEWHERE)


@pytest.fixture
def worker_at_work(task, settings):
    """Return a real worker process in the middle of a run."""
    settings.MISSION_CONTROL_BACKENDS = backends.NAMES
    run = admit(task, Agent.objects.create(name="Silent", role="Tester", backend="silent"))
    worker = rivals.start(execute, run.pk)
    wait_until(lambda: Run.objects.get(pk=run.pk).last_seq > 1, what="the first output")
    yield run, worker
    worker.kill()
    worker.join()


def now(run: Run) -> Run:
    run.refresh_from_db()
    return run


def test_a_run_whose_worker_was_killed_ends_at_the_next_look_with_what_it_had_said(worker_at_work):
    run, worker = worker_at_work
    reaper = Reaper()
    reaper.tick()
    assert now(run).status == Status.RUNNING

    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    reaper.tick()
    assert (now(run).status, run.error, run.output) == (Status.ERROR, "worker lost", "thinking about it")
    assert run.task.status == Task.Status.BLOCKED


def test_a_stop_that_was_asked_for_is_kept_when_the_worker_dies(worker_at_work):
    run, worker = worker_at_work
    os.kill(worker.pid, signal.SIGSTOP)
    stop(run, wait_seconds=0)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    Reaper().tick()

    assert now(run).status == Status.STOPPED


def test_a_worker_that_is_silent_for_its_lease_loses_the_run_and_is_killed(worker_at_work, settings):
    run, worker = worker_at_work
    settings.LEASE_SECONDS = 0.5
    os.kill(worker.pid, signal.SIGSTOP)
    reaper = Reaper()
    wait_until(lambda: reaper.tick() or now(run).status == Status.ERROR, what="the silent worker to be found out")

    worker.join(10)
    assert worker.exitcode == -signal.SIGKILL
    assert run.error == "worker lost"


def test_the_reaper_of_a_restored_copy_ends_the_run_in_its_own_database_and_kills_no_worker_of_the_original(
    worker_at_work, settings, tmp_path
):
    """A backup contains the runs of the original, whose workers may be running on this very machine."""
    run, worker = worker_at_work
    os.kill(worker.pid, signal.SIGSTOP)  # its lease in the copy's database is never renewed
    settings.LEASE_SECONDS = 0.3
    settings.DATA_FOLDER_ID = identity_of_a_copy(settings.DATA_DIR, tmp_path / "restored")
    reaper = Reaper()
    wait_until(lambda: reaper.tick() or now(run).status == Status.ERROR, what="the run to be ended")

    assert run.end_cause == "worker_lost"
    assert worker.is_alive()
    assert recover(workers.folder_id()) == []


def identity_of_a_copy(folder, place) -> str:
    place.mkdir()
    shutil.copy2(folder / "folder_id", place / "folder_id")
    return folder_identity(place / "folder_id")


def test_a_folder_keeps_its_identity_and_each_copy_has_its_own(tmp_path):
    original = folder_identity(tmp_path / "folder_id", "db.example.org", 5432, "name")
    assert folder_identity(tmp_path / "folder_id", "db.example.org", 5432, "name") == original

    kept = (tmp_path / "folder_id").read_bytes()
    (tmp_path / "backup").write_bytes(kept)
    (tmp_path / "folder_id").unlink()
    (tmp_path / "backup").rename(tmp_path / "folder_id")  # the same path and text, but another file
    restored = folder_identity(tmp_path / "folder_id", "db.example.org", 5432, "name")
    assert restored != original
    assert folder_identity(tmp_path / "folder_id", "db.example.org", 5432, "another") != restored


def test_a_worker_that_lives_keeps_its_run_beyond_the_lease(worker_at_work, settings):
    run, _ = worker_at_work
    settings.LEASE_SECONDS = 4.0
    first = now(run).lease_renewed_at
    reaper = Reaper()
    renewals = wait_until(
        lambda: (
            reaper.tick()
            or now(run).status == Status.ERROR
            or now(run).lease_renewed_at - first > timedelta(seconds=5)
        ),
        what="renewals for longer than the lease",
    )

    assert renewals and now(run).status == Status.RUNNING


def test_of_a_worker_elsewhere_only_silence_seen_by_the_reaper_itself_counts(run, settings):
    """By this machine's clock the stamp is old, as it can be where clocks differ: this proves nothing."""
    Run.objects.update(lease_renewed_at=timezone.now() - timedelta(days=1))
    settings.LEASE_SECONDS = 60
    Reaper().tick()
    assert now(run).status == Status.RUNNING

    settings.LEASE_SECONDS = 0.2
    reaper = Reaper()
    reaper.tick()
    assert now(run).status == Status.RUNNING
    wait_until(lambda: reaper.tick() or now(run).status == Status.ERROR, what="the lease to run out")


def test_a_new_sign_of_life_counts_from_its_own_beginning(run, settings):
    settings.LEASE_SECONDS = 0.3
    reaper = Reaper()
    for _ in range(20):
        reaper.tick()
        Run.objects.filter(pk=run.pk).update(lease_renewed_at=timezone.now())
    reaper.tick()

    assert now(run).status == Status.RUNNING


def test_a_lost_run_hands_its_slot_to_the_next_that_waits(tasks, agent):
    lost = claim(admit(tasks[0], agent).pk, worker=f"{workers.folder_id()}/group/{workers.node()}/999999999-1")
    for task in tasks[1:5]:
        admit(task, agent)
    waiting = admit(tasks[5], agent, when_full="queue")
    Reaper().tick()

    assert now(lost).status == Status.ERROR
    assert (now(waiting).status, waiting.slot) == (Status.QUEUED, lost.slot)


def test_a_queued_run_whose_job_was_lost_is_enqueued_again_and_backs_off(task, agent):
    run = admit(task, agent)
    OrmQ.objects.all().delete()
    Reaper().tick()
    assert OrmQ.objects.count() == 0  # it may still be on its way

    for expected, seconds in [(1, 11), (1, 11), (2, 21), (2, 21), (3, 41)]:
        Run.objects.update(enqueued_at=timezone.now() - timedelta(seconds=seconds))
        Reaper().tick()
        assert OrmQ.objects.count() == expected
    assert now(run).enqueue_count == 4


def test_a_waiting_run_that_everybody_forgot_is_started(task, agent):
    run = admit(task, agent)
    Run.objects.filter(pk=run.pk).update(status=Status.WAITING, slot=None, last_seq=0)
    run.events.all().delete()
    Reaper().tick()

    assert now(run).status == Status.QUEUED


def test_a_new_start_ends_what_the_last_processes_of_its_folder_held(tasks, agent, run):
    folder, node = workers.folder_id(), workers.node()
    dead = claim(admit(tasks[1], agent).pk, worker=f"{folder}/group/{node}/999999999-1")
    before_boot = claim(admit(tasks[2], agent).pk, worker=f"{folder}/group/bootedaway/1-1")
    alive = claim(admit(tasks[3], agent).pk, worker=workers.current_worker())
    queued = admit(tasks[4], agent)
    OrmQ.objects.all().delete()

    assert {ended.pk for ended in recover(folder)} == {dead.pk, before_boot.pk}
    assert [now(one).status for one in (dead, before_boot)] == [Status.ERROR, Status.ERROR]
    assert [now(one).status for one in (alive, run)] == [Status.RUNNING, Status.RUNNING]
    assert now(queued).status == Status.QUEUED and OrmQ.objects.count() == 1


def test_a_worker_is_known_by_more_than_its_pid():
    mine = workers.current_worker()

    assert not workers.is_dead(mine)
    assert workers.is_dead(mine + "0")  # the same pid, started at another time
    assert not workers.is_dead(ELSEWHERE)


def test_groups_of_workers_are_alive_while_they_beat():
    assert workers.count_live_groups() == 0
    workers.send_heartbeat()
    workers.send_heartbeat()
    assert workers.count_live_groups() == 1
    workers.forget_group()
    assert workers.count_live_groups() == 0
