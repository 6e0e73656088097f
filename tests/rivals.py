"""Real processes that do the same thing at the same moment, each with a connection of its own."""

import faulthandler
import multiprocessing
import os
import signal
import uuid
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from queue import Empty
from typing import Any, Literal

from django.db import connection, connections

ANSWER_SECONDS = 60


def race(function: Callable[..., Any], calls: list[tuple], *, processes: int = 8) -> list[Any]:
    """Call `function` with each of `calls`, in processes that start together; return the results.

    For a call that raised, the result is the name of the exception.
    """
    connections.close_all()  # forked processes must not share a connection
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(processes), context.Queue()
    shares = [calls[number::processes] for number in range(processes)]
    rivals = [context.Process(target=_rival, args=(function, share, barrier, answers)) for share in shares]
    for rival in rivals:
        rival.start()
    try:
        return [answers.get(timeout=ANSWER_SECONDS) for _ in calls]
    except Empty:
        for rival in rivals:
            if rival.is_alive():
                os.kill(rival.pid or 0, signal.SIGUSR1)  # it writes to standard error where it hangs
        raise
    finally:
        for rival in rivals:
            rival.join(5)
            rival.kill()


def _rival(function, share, barrier, answers) -> None:
    faulthandler.register(signal.SIGUSR1)
    connection.ensure_connection()
    barrier.wait(ANSWER_SECONDS)
    for arguments in share:
        try:
            answers.put(function(*arguments))
        except Exception as error:  # noqa: BLE001 - the test looks at it
            answers.put(type(error).__name__)
    connections.close_all()


# ---------------------------------------------------------------- functions for rivals
def admit_one(task: uuid.UUID, agent: uuid.UUID, when_full: Literal["reject", "queue"] = "reject") -> str:
    from agents.models import Agent
    from mission_control.models import Task
    from mission_control.runs.admission import admit

    return admit(Task.objects.get(pk=task), Agent.objects.get(pk=agent), when_full=when_full).status


def stop_one(run: uuid.UUID) -> str:
    from mission_control.models import Run
    from mission_control.runs.lifecycle import stop

    return stop(Run.objects.get(pk=run), wait_seconds=0).status


def complete_one(run: uuid.UUID) -> str:
    """Claim a run and end it, as a worker does whose agent finishes at once; return how it ended."""
    from mission_control.models import Run
    from mission_control.runs.execution import Execution
    from mission_control.runs.lifecycle import claim
    from mission_control.runs.outcomes import Outcome

    claimed = claim(run, worker="test")
    if claimed is None:
        return "not claimed"
    execution = Execution(claimed)
    execution.answer = "done at once"
    execution.end_once(Outcome(Run.Status.COMPLETED), {})
    return Run.objects.get(pk=run).status


def work_off(task: uuid.UUID, agent: uuid.UUID) -> str:
    """Request a run that may wait, then execute queued runs until none is left."""
    from mission_control.models import Run

    admit_one(task, agent, "queue")
    while queued := Run.objects.filter(status="queued").order_by("slot").first():
        complete_one(queued.pk)
        assert Run.objects.holding().count() <= 5
    return "done"


def start(function: Callable[..., Any], *arguments: Any) -> BaseProcess:
    """Start one process that calls the function, with connections of its own."""
    connections.close_all()
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    return process
