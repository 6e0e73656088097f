"""The faults, one for each round, and what clients may notice of each."""

import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.database import patiently
from tests.chaos.processes import END_SECONDS, Roles, name_of, send
from tests.chaos.subject import LEASE_SECONDS, STOP_SECONDS, Subject
from tests.servers import wait_until

BOTH = ("embedded", "server")
SERVER = ("server",)
# What channels_redis itself logs, once a second, while Redis is unavailable.
REDIS_AWAY = ("^redis.exceptions.ConnectionError", "^ConnectionRefusedError", "^ConnectionResetError")
SEEN_SECONDS = 20  # a process in the wanted role must be found within this time


class Left(Exception):
    """The fault cannot be caused here; the message says why."""


@dataclass
class Harm:
    """What a fault did."""

    killed: set[str] = field(default_factory=set)  # worker names end like this: `pid-start`
    since: float = field(default_factory=time.monotonic)  # recovery is measured from here
    began: float = 0.0


@dataclass(frozen=True)
class Fault:
    """One fault. `notices` lists what clients may see of it, besides the loss of runs whose worker was killed.

    sockets: connections break · answers: 503, or none · shutdown: runs are stopped by it · space: runs fail for it
    """

    name: str
    act: Callable[["Stage"], Harm]
    profiles: tuple[str, ...] = BOTH
    notices: frozenset[str] = frozenset()
    tracebacks: tuple[str, ...] = ()  # regular expressions of exceptions that it explains


FAULTS: list[Fault] = []


def fault(name: str, *, profiles: tuple[str, ...] = BOTH, notices: str = "", tracebacks: tuple[str, ...] = ()):
    def add(act: Callable[["Stage"], Harm]) -> Callable[["Stage"], Harm]:
        FAULTS.append(Fault(name, act, profiles, frozenset(notices.split()), tracebacks))
        return act

    return add


class Stage:
    """What a fault acts on, and how it finds its victim."""

    def __init__(self, subject: Subject, chance: random.Random) -> None:
        self.subject, self.chance = subject, chance
        self.family = subject.family
        self.client = subject.new_client()

    def busy(self) -> list[int]:
        return sorted(set(self.subject.reader.busy().values()))

    def busy_one(self) -> int:
        """Return a worker that executes a run; start a run if necessary."""
        if not self.busy():
            self.client.start("steady")
        return self.chance.choice(wait_until(self.busy, seconds=SEEN_SECONDS, what="a busy worker"))

    def idle_one(self) -> int:
        """Return a worker that waits for the queue's lock; free one if all others are busy."""

        def idle() -> list[int]:
            found = self._roles().idle
            for run in list(self.subject.reader.busy())[3:] if not found else []:
                self.client.stop(run)
            return found

        return self.chance.choice(self._seen(idle, "an idle worker"))

    def holder(self) -> int:
        return self.in_role("holder", "the worker that holds the queue's lock")

    def in_role(self, role: str, what: str) -> int:
        return self._seen(lambda: getattr(self._roles(), role), what)

    def _seen(self, look: Callable[[], Any], what: str) -> Any:
        try:
            return wait_until(look, seconds=SEEN_SECONDS, what=what)
        except AssertionError:
            raise Left(f"{what} was not seen (what a process waits for is hidden here?)") from None

    def _roles(self) -> Roles:
        """Read the roles twice and drop each process whose role changed in between."""
        first = self.family.roles(self.busy())
        time.sleep(0.1)
        second = self.family.roles(self.busy())
        same = {role: getattr(first, role) for role in ("holder", "pusher", "monitor")}
        same = {role: pid if getattr(second, role) == pid else None for role, pid in same.items()}
        return Roles(idle=[pid for pid in first.idle if pid in second.idle], **same)

    def kill_tree(self, top: int | None) -> Harm:
        """Kill a process; all its descendants must end too."""
        assert top, "the process to kill does not run"
        victims = self.family.below(top)
        names = {name_of(pid) for pid in victims}
        harm = Harm(names)
        send(top, signal.SIGKILL)
        self.family.await_gone(names)
        return harm

    def busy_five(self) -> None:
        """Have five long runs running."""

        def five() -> bool:
            busy = len(self.subject.reader.busy())
            if busy < self.subject.limit:
                self.client.start("long", priority="urgent")
            return busy >= self.subject.limit

        wait_until(five, what="five runs at once")


# ---------------------------------------------------------------- workers
@fault("kill a busy worker")
def kill_busy_worker(stage: Stage) -> Harm:
    return Harm(stage.family.kill(stage.busy_one()))


@fault("kill an idle worker")
def kill_idle_worker(stage: Stage) -> Harm:
    return Harm(stage.family.kill(stage.idle_one()))


@fault("kill the worker with the queue's lock")
def kill_lock_holder(stage: Stage) -> Harm:
    return Harm(stage.family.kill(stage.holder()))


@fault("kill what takes jobs from the queue")
def kill_pusher(stage: Stage) -> Harm:
    return Harm(stage.family.kill(stage.in_role("pusher", "the process that takes jobs")))


@fault("kill what acknowledges jobs")
def kill_monitor(stage: Stage) -> Harm:
    return Harm(stage.family.kill(stage.in_role("monitor", "the process that acknowledges jobs")))


@fault("freeze a worker beyond its lease")
def freeze_beyond_lease(stage: Stage) -> Harm:
    pid = stage.busy_one()
    harm = Harm({name_of(pid)})
    run = next((run for run, worker in stage.subject.reader.busy().items() if worker == pid), None)
    send(pid, signal.SIGSTOP)
    wait_until(
        lambda: run not in stage.subject.reader.busy(), seconds=LEASE_SECONDS + 12, what="the frozen run's end"
    )
    send(pid, signal.SIGCONT)
    return harm


@fault("freeze a worker for a moment")
def freeze_briefly(stage: Stage) -> Harm:
    pid = stage.busy_one()
    send(pid, signal.SIGSTOP)
    time.sleep(LEASE_SECONDS * 0.5)
    send(pid, signal.SIGCONT)
    return Harm()


# ---------------------------------------------------------------- parents
@fault("kill the cluster")
def kill_cluster(stage: Stage) -> Harm:
    return stage.kill_tree(stage.family.cluster)


@fault("kill the sentinel")
def kill_sentinel(stage: Stage) -> Harm:
    return stage.kill_tree(stage.family.sentinel)


@fault("kill manage.py worker")
def kill_watchdog(stage: Stage) -> Harm:
    return stage.kill_tree(stage.family.worker)


@fault("kill the reaper")
def kill_reaper(stage: Stage) -> Harm:
    return stage.kill_tree(stage.family.reaper)


@fault("kill the web server", notices="sockets answers")
def kill_web(stage: Stage) -> Harm:
    return stage.kill_tree(stage.family.web)


@fault("kill up", notices="sockets answers")
def kill_up(stage: Stage) -> Harm:
    harm = stage.kill_tree(stage.family.process.pid)
    stage.family.process.wait()
    return start_again(stage, harm)


@fault("kill everything at once", notices="sockets answers")
def kill_everything(stage: Stage) -> Harm:
    pids = stage.family.pids
    harm = Harm(stage.family.kill(*pids))
    stage.family.process.wait()
    harm.killed |= stage.family.kill(*stage.family.pids)  # processes that were forked in between
    stage.family.await_gone(harm.killed)
    return start_again(stage, harm)


@fault("SIGTERM while five run", notices="sockets answers shutdown")
def terminate(stage: Stage) -> Harm:
    stage.busy_five()
    harm = Harm()
    try:
        status = stage.subject.product.stop(seconds=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"it did not end within {STOP_SECONDS} s of SIGTERM") from None
    assert status == 0, f"it ended with exit status {status}"
    wait_until(lambda: not stage.family.pids, seconds=END_SECONDS, what="the end of what SIGTERM has left behind")
    return start_again(stage, harm)


def start_again(stage: Stage, harm: Harm) -> Harm:
    harm.since = time.monotonic()
    stage.subject.start_again()
    return harm


# ---------------------------------------------------------------- databases, servers, the disk
@fault("Redis killed for a while", profiles=SERVER, tracebacks=REDIS_AWAY)
def redis_away(stage: Stage) -> Harm:
    stage.subject.redis.stop()
    time.sleep(stage.chance.uniform(1, 3))
    stage.subject.redis.start()
    return Harm()


@fault("Redis restarted", profiles=SERVER, tracebacks=REDIS_AWAY)
def redis_restarted(stage: Stage) -> Harm:
    stage.subject.redis.stop()
    stage.subject.redis.start()
    return Harm()


@fault("Redis flushed", profiles=SERVER)
def redis_flushed(stage: Stage) -> Harm:
    import redis

    with redis.Redis.from_url(stage.subject.redis.url) as client:
        client.flushall()
    return Harm()


@fault("PostgreSQL killed for a while", profiles=SERVER, notices="sockets answers")
def postgresql_away(stage: Stage) -> Harm:
    stage.subject.postgresql.stop()
    time.sleep(stage.chance.uniform(0.5, 3))
    stage.subject.postgresql.start()
    return Harm()


@fault("PostgreSQL restarted", profiles=SERVER, notices="sockets answers")
def postgresql_restarted(stage: Stage) -> Harm:
    postgresql = stage.subject.postgresql
    postgresql.run("pg_ctl", "-D", str(postgresql.folder), "-m", "fast", "stop")
    postgresql.start()
    return Harm()


@fault("disk full", notices="answers space", tracebacks=("No space left", "is full"))
def disk_full(stage: Stage) -> Harm:
    if not stage.subject.disk.is_small:
        raise Left("no small file system could be mounted for the data folder: that takes root")
    stage.subject.disk.fill()
    try:
        time.sleep(stage.chance.uniform(1.5, 3))
    finally:
        stage.subject.disk.empty()
    return Harm()


TWICE = """
from django.db import transaction
from agents.models import Agent
from mission_control.models import Run, Task
from mission_control.runs.admission import admit
from mission_control.runs.lifecycle import enqueue_run

for run in Run.objects.holding():
    enqueue_run(run)
with transaction.atomic():
    run = admit(Task.objects.get(pk="{task}"), Agent.objects.get(pk="{agent}"), when_full="queue")
    enqueue_run(run)
    enqueue_run(run)
print(run.pk)
"""


@fault("jobs delivered twice and thrice")
def jobs_twice(stage: Stage) -> Harm:
    task = wait_until(lambda: stage.client.make_task("short"), what="a task")
    code = TWICE.format(task=task, agent=stage.client.agents["short"])
    run = stage.subject.product.shell(code).split()[-1]
    stage.subject.ledger.starts(run, task, "short")
    return Harm()


def what_runs(subject: Subject) -> str:
    active = [run["status"] for run in patiently(subject.reader.active, [])]
    return " ".join(f"{active.count(status)} {status}" for status in ("running", "queued", "waiting"))
