"""A run that a thread of this process executes, as a worker would, while a test plays the people."""

import threading
from typing import Self

from agents.models import Agent
from mission_control.models import Message, Question, Run, RunEvent, Task
from mission_control.runs import messages, questions
from mission_control.runs.execution import execute
from tests import make
from tests.servers import wait_until


def scripted(*steps: dict, **fields) -> Agent:
    return make.agent(backend="demo", backend_options={"script": list(steps)}, **fields)


class Working:
    """A run whose agent works in a thread, until the run has ended or is parked."""

    def __init__(self, agent: Agent, task: Task | None = None) -> None:
        self.run = make.run(task or make.task(), agent)
        self.go_on()

    @classmethod
    def of(cls, run: Run) -> Self:
        """Return one for a run that nobody executes yet."""
        work = cls.__new__(cls)
        work.run = run
        return work

    def go_on(self) -> None:
        """Execute the queued run."""
        self.thread = threading.Thread(target=execute, args=(self.run.pk,))
        self.thread.start()

    @property
    def row(self) -> Run:
        return Run.objects.get(pk=self.run.pk)

    def question(self, *, number: int = 1) -> Question:
        """Wait until the run has asked so many questions, and return the newest."""
        wait_until(lambda: self.run.questions.count() >= number, what=f"question {number}")
        return self.run.questions.order_by("-created_at").first()

    def answer(self, question: Question | None = None, **answer) -> None:
        questions.answer((question or self.question()).pk, **answer)

    def write(self, content: str) -> Message:
        message, _ = messages.send(self.row, content, by=None)
        return message

    def over(self) -> Run:
        """Wait until the run has ended or is parked, and return it."""
        self.thread.join(60)
        assert not self.thread.is_alive(), "the run still works"
        return self.row

    def parked(self) -> Run:
        run = self.over()
        assert run.status == Run.Status.PARKED, (run.status, run.error)
        return run

    def completed(self) -> Run:
        run = self.over()
        assert run.status == Run.Status.COMPLETED, (run.status, run.error)
        return run

    def log(self, *types: str) -> list[str]:
        return list(logged(self.run, *types).values_list("content", flat=True))

    def phases(self) -> list[str]:
        statuses = logged(self.run, "status").values_list("metadata__phase", flat=True)
        return [phase for phase in statuses if phase]


def logged(run: Run, *types: str):
    events = RunEvent.objects.filter(run=run).order_by("seq")
    return events.filter(type__in=types) if types else events
