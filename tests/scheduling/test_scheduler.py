"""The scheduler of executing projects: what it starts, in which order, who is notified, what holds it back."""

from collections import Counter

import pytest

from mission_control.actions import agents, project_execution, projects, reviews, tasks
from mission_control.models import Activity, Assignment, Notification, Project, Run, Task
from mission_control.runs import project_completion
from mission_control.runs.admission import admit
from mission_control.runs.lifecycle import stop
from mission_control.runs.reaper import Reaper
from mission_control.scheduling import scheduler
from tests import make
from tests.rivals import race
from tests.runs.test_between_two_looks import rival
from tests.work import a_task, active, end, runs, set_status, status


# ---------------------------------------------------------------- what it starts
def test_a_task_starts_when_the_last_that_it_waits_for_is_done(project, agent):
    first, second = a_task(project, agent), a_task(project, agent)
    third = a_task(project, agent, first, second)
    assert (runs(first), runs(second), runs(third)) == (["queued"], ["queued"], [])

    end(first)
    assert runs(third) == []
    end(second)
    assert runs(third) == ["queued"]
    end(third)
    project.refresh_from_db()
    assert project.status == "completed"


def test_a_skipped_task_frees_those_that_wait_for_it(project, agent):
    human = a_task(project, task_type="human")
    freed = a_task(project, agent, human)
    tasks.skip(human)
    assert runs(freed) == ["queued"]


@pytest.mark.parametrize(
    "what", ["draft", "planning", "awaiting_approval", "approved", "paused", "completed", "failed"]
)
def test_nothing_starts_in_a_project_that_does_not_execute(agent, what):
    task = a_task(make.project(status=what), agent)
    scheduler.advance_all()
    assert runs(task) == []


def test_an_approved_plan_begins_at_once(agent):
    project = make.project(status="awaiting_approval")
    task = a_task(project, agent)
    project_execution.approve(project)
    assert runs(task) == ["queued"]


def test_the_first_of_the_assignees_runs_it(project, agent):
    second = make.agent()
    task = make.task(project=project)
    tasks.assign(task, [second, agent])
    assert active(task).agent == second


@pytest.mark.parametrize("what", ["assignee", "dependency", "deletion", "type", "project"])
def test_a_change_that_frees_a_task_starts_it(project, agent, what):
    blocker = a_task(project)
    task = a_task(project, agent, blocker) if what in ("dependency", "deletion") else None
    match what:
        case "assignee":
            tasks.assign(task := a_task(project), [agent])
        case "dependency":
            tasks.change(task, blocked_by=[])
        case "deletion":
            tasks.delete(blocker)
        case "type":
            task = a_task(project, agent, task_type="human")
            tasks.change(task, task_type="agent")
        case "project":
            task = a_task(None, agent)
            tasks.change(task, project=project)
    assert runs(task) == ["queued"]


@pytest.mark.parametrize("outcome", ["error", "stopped"])
def test_a_task_that_did_not_end_well_leaves_its_dependents_waiting(project, agent, outcome):
    task = a_task(project, agent)
    behind = a_task(project, agent, task)
    end(task, outcome)
    scheduler.advance_all()
    assert (status(task), runs(task), runs(behind)) == ("blocked", [outcome], [])

    set_status(task, "assigned")
    end(task)
    assert (runs(task), runs(behind)) == ([outcome, "completed"], ["queued"])


def test_a_lost_trigger_delays_and_never_loses(project, agent, monkeypatch):
    monkeypatch.setattr(project_completion, "advance_on_commit", lambda _: None)
    monkeypatch.setattr(tasks, "advance_on_commit", lambda _: None)
    task = a_task(project, agent)
    assert runs(task) == []
    Reaper().tick()
    assert runs(task) == ["queued"]


def test_a_project_that_was_set_to_executing_with_nothing_left_to_do_is_completed(project):
    tasks.skip(a_task(project))
    projects.change(project, status="executing")
    Reaper().tick()
    project.refresh_from_db()
    assert project.status == "completed"


def test_a_task_whose_agent_was_deleted_waits_for_another(agent):
    project, other = make.project(status="paused"), make.agent()
    task = a_task(project, other)
    agents.delete(other)
    project_execution.resume(project)
    assert runs(task) == []
    tasks.assign(task, [agent])
    assert active(task).agent == agent


# ---------------------------------------------------------------- order and number
def test_they_start_by_priority_then_age(agent):
    project = make.project(status="paused")
    make.limit(1)
    low, old, new, urgent = (
        a_task(project, agent, priority=name) for name in ("low", "medium", "medium", "urgent")
    )
    project_execution.resume(project)
    started = []
    for _ in range(4):
        [run] = Run.objects.holding()
        started.append(run.task)
        end(run.task)
    assert started == [urgent, old, new, low]


def test_more_urgent_tasks_pass_those_that_wait_in_the_line(project, agent):
    make.limit(1)
    plain = [a_task(project, agent) for _ in range(4)]
    urgent = a_task(project, agent, priority="urgent")
    assert [len(runs(task)) for task in plain] == [1, 1, 0, 0]
    end(plain[0])
    assert (runs(urgent), runs(plain[1])) == (["queued"], ["waiting"])


def test_projects_take_turns_however_many_tasks_of_one_are_due(agent):
    make.limit(2)
    big, small = make.project(status="paused"), make.project(status="paused")
    for _ in range(40):
        a_task(big, agent)
    for _ in range(3):
        a_task(small, agent)
    project_execution.resume(big)
    project_execution.resume(small)
    assert Counter(Run.objects.values_list("project", "status")) == {
        (big.pk, "queued"): 2, (big.pk, "waiting"): 2, (small.pk, "waiting"): 2,
    }  # fmt: skip
    for _ in range(10):
        end(Run.objects.holding().order_by("enqueued_at").first().task)
    assert Counter(Run.objects.filter(status="completed").values_list("project", flat=True))[small.pk] == 3


def test_who_asks_for_a_run_waits_behind_a_few_of_a_project_and_not_behind_all(project, agent):
    make.limit(1)
    for _ in range(30):
        a_task(project, agent)
    asked = admit(make.task(), agent, when_full="queue")
    for _ in range(2):
        end(Run.objects.holding().get().task)
    asked.refresh_from_db()
    assert asked.status == "queued"


def test_a_raised_limit_is_used_by_the_next_sweep(project, agent):
    make.limit(1)
    for _ in range(12):
        a_task(project, agent)
    make.limit(8)
    Reaper().tick()
    assert Run.objects.holding().count() == 8


def test_many_schedulers_at_once_start_each_task_once_and_keep_to_the_limit(agent):
    project = make.project(status="paused")
    for _ in range(30):
        a_task(project, agent)
    Project.objects.update(status="executing")
    answers = race(advance_one, [(project.pk,)] * 16)
    assert {answer for answer in answers if not isinstance(answer, int)} == set()
    assert Counter(Run.objects.values_list("status", flat=True)) == {"queued": 5, "waiting": 5}


def test_a_pause_that_races_with_schedulers_leaves_no_run_active(agent):
    for _ in range(3):
        project = make.project(status="paused")
        for _ in range(10):
            a_task(project, agent)
        Project.objects.filter(pk=project.pk).update(status="executing")
        answers = race(advance_or_pause, [(project.pk, number == 3) for number in range(8)])
        assert {answer for answer in answers if not isinstance(answer, int)} == set()
        assert not Run.objects.active().filter(project=project).exists()
        assert set(project.tasks.values_list("status", flat=True)) == {"assigned"}


LOOKED = 'SELECT "agents_agent"."id"'  # the scheduler has read the due tasks, and reads the agents next


def test_a_task_that_a_rival_ran_after_our_look_is_not_run_again(project, agent):
    retried = a_task(None, agent, metadata={"retry": {"attempts": 3, "backoff_seconds": 60}})
    failed = a_task(None, agent)
    Task.objects.update(project=project)

    def run_both() -> None:
        scheduler.advance(project.pk)
        end(retried, "error")
        end(failed, "error")

    with rival(run_both, after=LOOKED):
        scheduler.advance(project.pk)
    assert (status(retried), runs(retried)) == ("assigned", ["error"])
    assert (status(failed), runs(failed)) == ("blocked", ["error"])


def test_a_pause_after_our_look_holds(project, agent):
    task = a_task(None, agent)
    Task.objects.update(project=project)
    with rival(lambda: project_execution.pause(project), after=LOOKED):
        assert scheduler.advance(project.pk) == []
    assert runs(task) == []


def test_a_dependency_after_our_look_holds(project, agent):
    task, other = a_task(None, agent), a_task(None)
    Task.objects.update(project=project)
    with rival(lambda: tasks.change(task, blocked_by=[other]), after=LOOKED):
        assert scheduler.advance(project.pk) == []
    assert runs(task) == []


def test_another_assignee_after_our_look_runs_it(project, agent):
    task, other = a_task(None, agent), make.agent()
    Task.objects.update(project=project)
    with rival(lambda: Assignment.objects.filter(task=task).update(agent=other), after=LOOKED):
        assert scheduler.advance(project.pk) == []
    scheduler.advance_all()
    assert active(task).agent == other


def advance_one(project) -> int:
    return len(scheduler.advance(project))


def advance_or_pause(project, pauses: bool) -> int:
    if not pauses:
        return advance_one(project)
    project_execution.pause(Project.objects.get(pk=project), wait_seconds=0)
    return 0


def test_500_tasks_cost_as_many_queries_a_step_as_5(agent, django_assert_max_num_queries):
    projects_ = [make.project(status="paused") for _ in range(2)]
    for number, project in zip((5, 200), projects_, strict=True):
        first = a_task(project)
        for _ in range(number):
            a_task(project, agent, first)
    Project.objects.update(status="executing")
    for project in projects_:
        with django_assert_max_num_queries(10):
            scheduler.advance(project.pk)


# ---------------------------------------------------------------- the waiting queue
def test_a_run_that_waits_does_not_start_while_its_task_has_come_to_wait_for_another(project, agent):
    make.limit(1)
    first, second, third = (a_task(project, agent) for _ in range(3))
    assert runs(second) == ["waiting"]
    tasks.change(second, blocked_by=[third])
    end(first)
    assert (runs(second), runs(third)) == (["waiting"], ["queued"])
    end(third)
    assert runs(second) == ["queued"]


def test_what_a_person_runs_in_spite_of_its_blockers_starts_from_the_line(agent):
    make.limit(1)
    holds = admit(make.task(), agent)
    waits = admit(make.task(blocked_by=[make.task()]), agent, when_full="queue", ignore_dependencies=True)
    stop(holds)
    waits.refresh_from_db()
    assert waits.status == "queued"


def test_a_task_whose_run_waits_can_be_skipped(project, agent):
    make.limit(1)
    first, second = a_task(project, agent), a_task(project, agent)
    behind = a_task(project, agent, second)
    tasks.skip(second)
    assert (status(second), runs(second)) == ("skipped", ["stopped"])
    end(first)
    assert runs(behind) == ["queued"]


def test_a_run_that_was_stopped_while_it_waited_does_not_come_back_by_itself(project, agent):
    make.limit(1)
    first, second = a_task(project, agent), a_task(project, agent)
    stop(active(second))
    end(first)
    scheduler.advance_all()
    assert (status(second), runs(second)) == ("assigned", ["stopped"])

    admit(second, agent)
    assert runs(second) == ["stopped", "queued"]


# ---------------------------------------------------------------- pause, resume, restart
def test_a_resumed_project_starts_again_what_the_pause_stopped(project, agent):
    make.limit(1)
    first, second = a_task(project, agent), a_task(project, agent)
    project_execution.pause(project)
    scheduler.advance_all()
    assert (runs(first), runs(second)) == (["stopped"], ["stopped"])
    project_execution.resume(project)
    assert (runs(first), runs(second)) == (["stopped", "queued"], ["stopped", "waiting"])


# ---------------------------------------------------------------- people
def test_people_are_told_once_that_a_task_waits_for_them(project, agent):
    task = a_task(project, agent)
    human = a_task(project, None, task, title="Buy a stamp", task_type="human")
    assert not told()
    end(task)
    for _ in range(2):
        scheduler.advance_all()
    assert told() == ["Human task ready: Buy a stamp"]
    assert (status(human), runs(human)) == ("inbox", [])

    set_status(human, "done")
    project.refresh_from_db()
    assert project.status == "completed"


def test_many_schedulers_at_once_tell_people_once():
    project = make.project(status="paused")
    a_task(project, task_type="human")
    Project.objects.update(status="executing")
    race(advance_one, [(project.pk,)] * 8)
    assert len(told()) == 1


def test_a_review_task_opens_its_review_once_when_its_turn_comes(project, agent):
    task = a_task(project, agent)
    review = a_task(project, None, task, task_type="review")
    behind = a_task(project, agent, review)
    assert status(review) == "inbox"
    end(task)
    scheduler.advance_all()
    assert (status(review), runs(behind)) == ("review", [])
    assert Notification.objects.filter(type="review_needed").count() == 1
    reviews.approve(review)
    assert runs(behind) == ["queued"]


def test_requested_changes_run_the_task_again_and_then_ask_again(project):
    task = a_task(project, make.agent(level="intern"))
    end(task)
    reviews.request_changes(task, "Shorter")
    assert runs(task) == ["completed", "queued"]
    end(task)
    reviews.approve(task)
    project.refresh_from_db()
    assert project.status == "completed"


def told() -> list[str]:
    return list(Notification.objects.filter(type="human_task", agent=None).values_list("content", flat=True))


# ---------------------------------------------------------------- plannings without a worker
def test_a_planning_that_nobody_carries_on_has_failed(monkeypatch):
    project = make.project(status="planning")
    scheduler.advance_all()
    project.refresh_from_db()
    assert project.status == "planning"

    monkeypatch.setattr(scheduler, "PLANNING_PATIENCE", -scheduler.PLANNING_PATIENCE)
    scheduler.advance_all()
    project.refresh_from_db()
    assert project.status == "failed"
    assert Activity.objects.filter(project_id=project.pk, message__contains="planning was interrupted").exists()
