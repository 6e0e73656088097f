"""Projects of any shape, with failures, stops, killed workers and doubled jobs: they end, or say why they wait."""

import random
from collections import Counter, defaultdict
from contextlib import suppress

import pytest
from django.db.models import Q
from hypothesis import given
from hypothesis import strategies as st

from mission_control.actions import project_execution, tasks
from mission_control.errors import WrongState
from mission_control.models import Project, Run, Task
from mission_control.runs import workers
from mission_control.runs.lifecycle import claim, finish, stop
from mission_control.runs.reaper import Reaper
from mission_control.scheduling import scheduler
from tests import make
from tests.properties.conftest import share
from tests.properties.graphs import FAILED, Watch, do_what_people_do, random_project, settled_or_explained
from tests.rivals import race

pytestmark = pytest.mark.exhaustive

DEAD = "{folder}/group/{node}/999999999-1"
STEPS = 40


class World:
    """What workers and people do at random, each with the product's own actions."""

    def __init__(self, chance: random.Random, size: int, *, trouble: float) -> None:
        self.chance, self.trouble = chance, trouble
        make.limit(chance.randint(1, 6))
        self.agents = [make.agent() for _ in range(3)]
        self.projects = [random_project(chance, size, self.agents) for _ in range(chance.choice([1, 1, 2]))]
        for project in self.projects:
            project_execution.resume(project)

    def work(self) -> bool:
        """Execute a queued run to some end; return whether there was one."""
        queued = list(Run.objects.light().filter(status="queued"))
        if not queued:
            return False
        key = self.chance.choice(queued).pk
        is_lost = self.chance.random() < self.trouble / 4
        run = claim(key, worker=dead() if is_lost else "test")
        assert run is not None
        if is_lost:
            Reaper().tick()
            return True
        outcome = self.chance.choices(["completed", "error", "stopped"], [1, self.trouble / 2, self.trouble / 4])[
            0
        ]
        assert finish(key, outcome, guard=Q(claim_token=run.claim_token), error=FAILED * (outcome == "error"))
        return True

    def disturb(self) -> None:
        act = self.chance.choice([self.stop, self.skip, self.pause, self.trigger, self.trigger, self.resize])
        act()

    def stop(self) -> None:
        if runs := list(Run.objects.active()):
            stop(self.chance.choice(runs), wait_seconds=0)

    def skip(self) -> None:
        if left := list(Task.objects.unresolved()):
            with suppress(WrongState):  # it is in progress
                tasks.skip(self.chance.choice(left))

    def pause(self) -> None:
        project = Project.objects.get(pk=self.chance.choice(self.projects).pk)
        if project.status == "executing":
            project_execution.pause(project, wait_seconds=0)
            scheduler.advance_all()
            project_execution.resume(project)

    def trigger(self) -> None:
        for _ in range(2):
            scheduler.advance(self.chance.choice(self.projects).pk)
        scheduler.advance_all()

    def resize(self) -> None:
        make.limit(self.chance.randint(1, 6))


def dead() -> str:
    return DEAD.format(folder=workers.folder_id(), node=workers.node())


def live(world: World, watch: Watch, *, steps: int) -> None:
    """Act at random, then without trouble until nothing changes; each open task must then say why it waits."""
    for _ in range(steps):
        if world.chance.random() < world.trouble:
            world.disturb()
        world.work()
        watch.look()
    world.trouble = 0.0
    settle(world, watch)
    for project in world.projects:
        settled_or_explained(project)


def settle(world: World, watch: Watch) -> None:
    while world.work():
        watch.look()
    scheduler.advance_all()
    watch.look()
    if Run.objects.active().exists():
        settle(world, watch)


def clear() -> None:
    for kind in (Project, Task):
        kind._default_manager.all().delete()


@pytest.mark.usefixtures("database")
@share(0.1)
@given(st.integers(0, 2**32), st.integers(1, 16), st.sampled_from([0.0, 0.2, 0.6]))
def test_projects_of_any_shape_end_or_say_what_they_wait_for(seed, size, trouble):
    clear()
    world, watch = World(random.Random(seed), size, trouble=trouble), Watch()
    watch.look()
    live(world, watch, steps=STEPS)
    for _ in range(200):  # people act until everything is done
        helped = [do_what_people_do(project, world.agents[0], watch) for project in world.projects]
        if not any(helped):
            break
        scheduler.advance_all()
        settle(world, watch)
    assert not Task.objects.unresolved().exists()


@pytest.mark.usefixtures("database")
def test_a_project_of_150_tasks_ends():
    chance = random.Random(0)
    make.limit(5)
    agent = make.agent()
    project = random_project(chance, 150, [agent])
    project_execution.resume(project)
    Task.objects.filter(task_type="agent", assignees=None).update(task_type="human")
    done = 0
    while project.status != "completed":
        queued = list(Run.objects.light().filter(status="queued"))
        assert len(queued) <= 5
        for run in queued:
            assert not run.task.unresolved_blockers()
            assert finish(run.pk, "completed", guard=Q())
            done += 1
        if not queued:
            assert do_what_people_do(project, agent, Watch()), "nothing runs, and nobody is asked"
        project.refresh_from_db()
    assert Counter(Run.objects.values_list("task_id", flat=True)).most_common(1)[0][1] == 1
    assert done == Task.objects.filter(task_type="agent").count()


# ---------------------------------------------------------------- many machines
@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("seed", range(2))
def test_rival_workers_reapers_and_people_run_each_task_as_often_as_there_was_cause(seed):
    chance = random.Random(seed)
    make.limit(4)
    agent = make.agent()
    projects = [make.project(status="paused") for _ in range(2)]
    for project in projects:
        made: list[Task] = []
        for _ in range(25):
            blockers = chance.sample(made, min(chance.choice([0, 1, 2, 3]), len(made)))
            retry = {"metadata": {"retry": {"attempts": 3}}} if chance.random() < 0.5 else {}
            made.append(make.task(project=project, assignees=[agent], blocked_by=blockers, **retry))
        project_execution.resume(project)
    calls = [("work", seed * 100 + number) for number in range(4)]
    calls += [("reap", seed), ("pause", projects[0].pk)]
    answers = race(take_part, calls, processes=len(calls))
    assert answers == ["done"] * len(calls)

    scheduler.advance_all()
    assert not Run.objects.active().exists()
    for project in projects:
        settled_or_explained(project)
    every_run_had_a_cause()
    nothing_started_too_early()


def take_part(role: str, what) -> str:
    """Act as a worker, a reaper or a person until nothing changes for a while."""
    return {"work": work_at_random, "reap": reap, "pause": pause_and_resume}[role](what)


def work_at_random(seed: int) -> str:
    """Execute queued runs: most succeed, some fail, are stopped, or lose their worker."""
    chance, idle = random.Random(seed), 0
    while idle < 40:
        run = Run.objects.light().filter(status="queued").order_by("?").first()
        outcome = chance.choices(["completed", "error", "dies"], [8, 2, 1])[0]
        claimed = run and claim(run.pk, worker=dead() if outcome == "dies" else "test")
        assert Run.objects.holding().count() <= 4
        if not claimed:
            idle += 1
            Reaper().tick()
        elif outcome != "dies":
            mine, error = Q(claim_token=claimed.claim_token), FAILED if outcome == "error" else ""
            unstopped = mine & Q(stop_requested_at__isnull=True)
            if not finish(claimed.pk, outcome, guard=unstopped, error=error):
                finish(claimed.pk, "stopped", guard=mine)
            idle = 0
    return "done"


def reap(_: int) -> str:
    for _ in range(30):
        Reaper().tick()
    return "done"


def pause_and_resume(key) -> str:
    for _ in range(6):
        project = Project.objects.get(pk=key)
        if project.status != "executing":
            break
        try:
            project_execution.pause(project, wait_seconds=0)
            project_execution.resume(project)
        except WrongState:  # it has been completed
            break
    return "done"


def every_run_had_a_cause() -> None:
    runs = defaultdict(list)
    for run in Run.objects.light().order_by("attempt"):  # by time, two that wait for SQLite may be swapped
        runs[run.task_id].append(run)
    for attempts in runs.values():
        assert [run.status for run in attempts].count("completed") <= 1
        causes = sum(run.end_cause in ("failed", "worker_lost", "paused") for run in attempts[:-1])
        assert causes == len(attempts) - 1, [(run.status, run.error) for run in attempts]


def nothing_started_too_early() -> None:
    for run in Run.objects.filter(slot__isnull=False).select_related("task"):
        began = run.events.get(seq=1).timestamp
        for blocker in run.task.blocked_by.all():
            assert blocker.completed_at and blocker.completed_at <= began, f"{run.task} did not wait for {blocker}"
