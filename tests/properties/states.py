"""The life of runs in plain Python: the model that the database is compared with."""

from dataclasses import dataclass, field
from itertools import count

RANK = {"urgent": 0, "high": 1, "medium": 2, "low": 3}


@dataclass
class ModelTask:
    priority: str = "medium"
    status: str = "inbox"
    documents: int = 0  # versions of its deliverable


@dataclass
class ModelRun:
    task: object
    agent: object
    age: int
    reviewed: bool  # an intern's work
    attempt: int
    status: str = "waiting"
    slot: int | None = None
    log: list[str] = field(default_factory=list)
    said: str = ""  # the agent's messages
    messages: list = field(default_factory=list)  # from people, that the agent has not got
    stop_asked: bool = False
    dead: bool = False  # its worker ran on this machine
    error: str = ""

    @property
    def active(self) -> bool:
        return self.status in ("waiting", "queued", "running", "parked")

    @property
    def holding(self) -> bool:
        return self.status in ("queued", "running")


@dataclass
class ModelQuestion:
    run: object
    text: str
    default: str
    status: str = "open"


class Model:
    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.tasks: dict = {}
        self.runs: dict = {}
        self.questions: dict = {}
        self.jobs = 0
        self._ages = count()

    def having(self, *statuses: str) -> list:
        return [key for key, run in self.runs.items() if run.status in statuses]

    def free(self) -> list[int]:
        held = {run.slot for run in self.runs.values() if run.holding}
        return [slot for slot in range(1, self.limit + 1) if slot not in held][: max(self.limit - len(held), 0)]

    def promote(self) -> None:
        while (waiting := self.having("waiting")) and (free := self.free()):
            self._begin(self.runs[min(waiting, key=self.turn)], free[0])

    def turn(self, key) -> tuple[int, int]:
        run = self.runs[key]
        return RANK[self.tasks[run.task].priority], run.age

    def _begin(self, run: ModelRun, slot: int) -> None:
        run.status, run.slot = "queued", slot
        run.log.append("Demo continues" if run.log else "started")
        self.tasks[run.task].status = "in_progress"
        self.jobs += 1

    def refusal_of(self, task, when_full: str) -> str | None:
        """Return why a run of the task would be refused now, or None. Checks waiting first, as admission does."""
        self.promote()
        if any(run.active and run.task == task for run in self.runs.values()):
            return "AlreadyRunning"
        full = bool(self.having("waiting")) or not self.free()
        if full and when_full == "reject":
            return "LimitReached"
        return None if task in self.tasks else "NotFound"

    def admit(self, key, task, agent, *, reviewed: bool) -> None:
        attempt = sum(run.task == task for run in self.runs.values()) + 1
        run = self.runs[key] = ModelRun(task, agent, next(self._ages), reviewed, attempt)
        if len(self.having("waiting")) == 1 and self.free():
            self._begin(run, self.free()[0])

    def finish(self, key, outcome: str, error: str = "") -> None:
        run = self.runs[key]
        was_waiting, run.status, run.error = run.status == "waiting" and not run.log, outcome, error
        is_silent = outcome == "completed" and not run.said.strip()
        for question in self.open_questions(key):
            question.status = "cancelled"
        run.log += ["Needs review: The agent produced no output"] if is_silent else []
        run.log.append(outcome)
        task = self.tasks[run.task]
        if outcome == "completed":
            task.status = "review" if run.reviewed or is_silent else "done"
            task.documents += not is_silent
        elif not was_waiting:
            task.status = "blocked"
        self.promote()

    def open_questions(self, key) -> list[ModelQuestion]:
        return [
            question for question in self.questions.values() if question.run == key and question.status == "open"
        ]

    def park(self, key) -> None:
        """Park a running run that waits for answers."""
        run, texts = self.runs[key], [question.text for question in self.open_questions(key)]
        more = f" (and {len(texts) - 1} more)" if len(texts) > 1 else ""
        run.log.append(f"Waits for an answer: {texts[0]}{more}")
        run.status, run.slot = "parked", None
        self.promote()

    def settle(self, key, status: str) -> None:
        """End a question with an answer; its parked run continues if it was the last one."""
        question = self.questions[key]
        question.status, run = status, self.runs[question.run]
        if run.status == "parked" and not self.open_questions(question.run):
            run.status = "waiting"
        self.promote()

    def lose(self, key) -> None:
        """End a run whose worker is gone: as stopped if a stop was requested."""
        if self.runs[key].stop_asked:
            self.finish(key, "stopped")
        else:
            self.finish(key, "error", "worker lost")

    def delete(self, task) -> None:
        del self.tasks[task]
        self.questions = {
            key: question for key, question in self.questions.items() if self.runs[question.run].task != task
        }
        self.runs = {key: run for key, run in self.runs.items() if run.task != task}
