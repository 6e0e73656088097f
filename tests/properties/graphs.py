"""Random projects, and the rules that they must always follow."""

import random
from collections import Counter
from contextlib import suppress

from mission_control.actions import tasks
from mission_control.api import querysets
from mission_control.errors import Refusal
from mission_control.models import Capacity, Project, Run, Task
from mission_control.runs.admission import admit
from mission_control.scheduling.waiting_reasons import waiting_for
from tests import make

FAILED = "it failed"


def random_project(chance: random.Random, size: int, agents: list) -> Project:
    """Return an executing project of that many tasks, each blocked by up to three of the tasks before it.

    A few have no agent or are for people, some are retried.
    """
    project = make.project(status="paused")
    made: list[Task] = []
    for number in range(size):
        recent = made[-(number // 2 + 1) :]
        kind = chance.choices(["agent", "human"], [12, 1])[0]
        fields = {"metadata": {"retry": {"attempts": 3}}} if chance.random() < 0.3 else {}
        made.append(
            make.task(
                project=project,
                blocked_by=chance.sample(recent, min(chance.choice([0, 1, 1, 2, 3]), len(recent))),
                task_type=kind,
                priority=chance.choice(["low", "medium", "medium", "high", "urgent"]),
                assignees=[chance.choice(agents)] if kind == "agent" and chance.random() < 0.95 else [],
                **fields,
            )
        )
    return project


class Watch:
    """Records the start of each run, and how often each task got a cause to run again."""

    def __init__(self) -> None:
        self.started: set = set()
        self.again: Counter = Counter()
        self.ended: set = set()

    def look(self) -> None:
        """Fail if a run started before its blockers were done, beyond the limit, or twice for one trigger.

        Lowering the limit stops no run: only a run that starts must find a slot within it.
        """
        new = Run.objects.light().filter(slot__isnull=False).exclude(pk__in=self.started)
        assert not new or Run.objects.holding().count() <= Capacity.current().limit
        for run in new.select_related("task"):
            self.started.add(run.pk)
            assert not run.task.unresolved_blockers(), f"{run.task} started too early"
        ended = Run.objects.light().filter(status__in=Run.ENDED).exclude(pk__in=self.ended)
        for run in ended.select_related("task"):
            self.ended.add(run.pk)
            is_retried = run.error == FAILED and "retry" in run.task.metadata
            self.again[run.task_id] += is_retried or run.end_cause in ("worker_lost", "paused")
        for key, number in Counter(Run.objects.values_list("task_id", flat=True)).items():
            assert number <= self.again[key] + 1, "it was run twice for one trigger"


def settled_or_explained(project: Project) -> None:
    """Fail unless the project is completed, or all open tasks have waiting reasons, not just blockers."""
    project.refresh_from_db()
    left = {str(key) for key in project.tasks.unresolved().values_list("pk", flat=True)}
    if not left:
        assert project.status == "completed"
        return
    reasons = waiting_for(project, querysets.tasks().filter(project=project))
    assert set(reasons) == left
    assert any(not reason.startswith("blocked by “") for reason in reasons.values())
    assert not {"queued"} & set(reasons.values()), "nothing runs, and yet it waits for a slot"


def do_what_people_do(project: Project, agent, watch: Watch) -> bool:
    """Do people's tasks, give others an agent, rerun what was stopped in the waiting queue. Return whether any."""
    mine = project.tasks.unresolved().filter(task_type="human", announced_at__isnull=False)
    orphans = project.tasks.unresolved().filter(task_type="agent", assignees__isnull=True)
    failed = project.tasks.filter(status="blocked")
    acts = [(mine, "done"), (failed, "assigned")]
    found = [(task, status) for rows, status in acts for task in rows]
    for task, status in found:
        watch.again[task.pk] += status == "assigned"
        tasks.set_status(task, status)
    for task in list(orphans):
        tasks.assign(task, [agent])
        found.append((task, ""))
    stopped = project.tasks.not_started().filter(last_run__status="stopped", last_run__slot=None)
    for task in list(stopped):
        with suppress(Refusal):  # it now waits for another task
            watch.again[task.pk] += 1
            admit(task, task.last_run.agent, when_full="queue")
            found.append((task, ""))
    return bool(found)
