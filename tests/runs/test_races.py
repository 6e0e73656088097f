"""Simultaneous requests from many processes: the database decides, and the only errors are its refusals."""

from collections import Counter

import pytest
from django.contrib.auth.models import User

from agents.models import Agent
from mission_control.actions.conversation import follow_up
from mission_control.models import Deliverable, Run, Task
from mission_control.runs.admission import admit
from tests import make, rivals

ROUNDS = 3


def test_of_many_simultaneous_requests_as_many_as_the_limit_are_admitted(agent):
    for _ in range(ROUNDS):
        Run.objects.all().delete()
        tasks = [Task.objects.create(title=str(number)) for number in range(64)]
        answers = Counter(rivals.race(rivals.admit_one, [(task.pk, agent.pk) for task in tasks]))

        assert answers == {"queued": 5, "LimitReached": 59}
        assert sorted(Run.objects.holding().values_list("slot", flat=True)) == [1, 2, 3, 4, 5]


def test_of_many_simultaneous_requests_for_one_task_one_is_admitted(task, agent):
    answers = Counter(rivals.race(rivals.admit_one, [(task.pk, agent.pk)] * 32))

    assert answers == {"queued": 1, "AlreadyRunning": 31}


def test_of_simultaneous_follow_ups_one_starts_a_run_and_the_messages_of_all_are_kept(task, agent):
    user = make.user()
    texts = [f"Message {number}" for number in range(16)]
    answers = Counter(rivals.race(follow_up_one, [(task.pk, agent.pk, user.pk, text) for text in texts]))

    assert answers == {"queued": 1, "FollowUpKept": 15}
    assert sorted(task.messages.values_list("content", flat=True)) == sorted(texts)
    run = Run.objects.get()
    assert task.messages.get(delivery="follow_up").content == run.follow_up
    assert list(run.events.values_list("seq", "content")) == [(1, "started"), (2, run.follow_up)]


def follow_up_one(task, agent, user, text: str) -> str:
    found = Task.objects.get(pk=task), Agent.objects.get(pk=agent)
    return follow_up(*found, text, by=User.objects.get(pk=user)).status


def test_requests_that_may_wait_neither_exceed_the_limit_nor_get_lost(agent):
    tasks = [Task.objects.create(title=str(number)) for number in range(40)]
    answers = Counter(rivals.race(rivals.admit_one, [(task.pk, agent.pk, "queue") for task in tasks]))

    assert set(answers) <= {"queued", "waiting"}
    assert Counter(Run.objects.values_list("status", flat=True)) == {"queued": 5, "waiting": 35}


def test_waiting_runs_all_start_while_slots_are_freed_by_many(agent):
    tasks = [Task.objects.create(title=str(number)) for number in range(40)]
    answers = Counter(rivals.race(rivals.work_off, [(task.pk, agent.pk) for task in tasks], processes=6))

    assert answers == {"done": 40}
    assert Counter(Run.objects.values_list("status", flat=True)) == {"completed": 40}


def test_a_stop_that_races_with_the_end_is_never_recorded_as_done(agent):
    for number in range(ROUNDS * 4):
        task = Task.objects.create(title=str(number))
        run = admit(task, agent)
        answers = rivals.race(stop_or_complete, [("complete", run.pk), ("stop", run.pk)], processes=2)
        run.refresh_from_db()
        stopped = any(answer.startswith("stop:") and answer != "stop:NotRunning" for answer in answers)

        assert run.status == ("stopped" if stopped else "completed"), answers
        assert Deliverable.objects.filter(task=task).exists() is (not stopped)
        assert run.events.filter(metadata__phase="ended").count() == 1


def stop_or_complete(what: str, run) -> str:
    if what == "complete":
        return "complete:" + rivals.complete_one(run)
    from mission_control.errors import NotRunning

    try:
        return "stop:" + rivals.stop_one(run)
    except NotRunning:
        return "stop:NotRunning"


def test_a_job_delivered_many_times_is_carried_out_once(task, agent):
    run = admit(task, agent)
    answers = Counter(rivals.race(rivals.complete_one, [(run.pk,)] * 8))

    assert answers == {"completed": 1, "not claimed": 7}


@pytest.mark.parametrize("limit", [1, 3])
def test_the_limit_holds_at_other_sizes(agent, limit):
    from mission_control.models import Capacity

    Capacity.objects.update(limit=limit)
    tasks = [Task.objects.create(title=str(number)) for number in range(16)]
    answers = Counter(rivals.race(rivals.admit_one, [(task.pk, agent.pk) for task in tasks], processes=4))

    assert answers["queued"] == limit
    assert Agent.objects.count() == 1
