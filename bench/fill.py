"""Fill a database with tasks and their related rows: `python -m bench.fill TASKS EVENTS`.

Uses the settings of the product to be measured. Inserts rows directly, because the product's actions would take
hours.
"""

import random
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta

import django

django.setup()

from django.db import connection, models, transaction  # noqa: E402 - models can be imported only now
from django.utils import timezone  # noqa: E402

from agents.models import Agent  # noqa: E402
from mission_control.models import (  # noqa: E402
    Activity,
    Assignment,
    Deliverable,
    DeliverableVersion,
    Message,
    Notification,
    Project,
    Run,
    RunEvent,
    Task,
    UsageRecord,
)

AGENTS = 20
TASKS_AT_ONCE = 1_000
TASKS_A_PROJECT = 100  # the smallest size: a project shows all of its tasks
DAYS = 90
EVENTS_A_RUN = 4  # unless more are requested
WORDS = [
    "agent",
    "board",
    "budget",
    "change",
    "draft",
    "export",
    "index",
    "note",
    "order",
    "plan",
    "report",
    "review",
]
STATUSES = [Task.Status.DONE] * 6 + [Task.Status.REVIEW, Task.Status.BLOCKED, Task.Status.INBOX, Task.Status.INBOX]
ORDER = [
    Project,
    Task,
    Assignment,
    Run,
    UsageRecord,
    RunEvent,
    Deliverable,
    DeliverableVersion,
    Activity,
    Message,
    Notification,
]
DATED = [Project, Task, Deliverable, DeliverableVersion, Activity, Message, Notification]


class Filling:
    """Creates the rows of tasks whose dates are spread evenly over the last DAYS days."""

    def __init__(self, size: int, events: int) -> None:
        self.size = size
        runs = max(size * sum(status != Task.Status.INBOX for status in STATUSES) // len(STATUSES), 1)
        self.events_a_run = max(EVENTS_A_RUN, events // runs)
        self.now = timezone.now()
        self.choice = random.Random(7)  # noqa: S311 - the same rows each time
        self.agents = [self.agent(number) for number in range(AGENTS)]
        self.project: Project | None = None

    def agent(self, number: int) -> Agent:
        fields = {"name": f"Filler {number}", "role": "Was here before", "backend": "demo"}
        return Agent.objects.create(**fields)

    def at(self, number: float) -> datetime:
        """Return the date of the task with this number: yesterday at the latest, so that no row is recent."""
        return self.now - timedelta(days=1 + DAYS * (1 - number / self.size))

    def text(self, chars: int) -> str:
        words = self.choice.choices(WORDS, k=chars // 5)
        return " ".join(words)[:chars]

    def rows_of(self, number: int) -> Iterable[models.Model]:
        """Yield a task and all of its related rows."""
        at = self.at(number)
        if number % TASKS_A_PROJECT == 0:
            title = f"Project {number // TASKS_A_PROJECT}"
            self.project = Project(title=title, description=self.text(300), created_at=at, updated_at=at)
            yield self.project
        agent = self.choice.choice(self.agents)
        task = Task(
            title=f"{self.text(30)} {number}",
            description=self.text(200),
            status=self.choice.choice(STATUSES),
            priority=self.choice.choice(Task.Priority.values),
            tags=self.choice.sample(WORDS, 2),
            project=self.project,
            created_at=at,
            updated_at=at,
        )
        yield task
        yield Assignment(task=task, agent=agent)
        yield self.notification(
            Activity.Type.TASK_ASSIGNED, f"You were assigned to: {task.title}", task, at, agent
        )
        yield Message(task=task, from_agent=agent, content=self.text(100), created_at=at)
        if task.status != Task.Status.INBOX:
            yield from self.rows_of_run(task, agent, at)
        yield self.activity(Activity.Type.TASK_CREATED, f"Task created: {task.title}", task, agent, at)

    def activity(self, kind: str, message: str, task: Task, agent: Agent, at: datetime, **fields) -> Activity:
        fields |= {"project_id": task.project.pk, "created_at": at}
        return Activity(type=kind, message=message, task=task, agent=agent, **fields)

    def notification(self, kind: str, content: str, task: Task, at: datetime, agent: Agent | None) -> Notification:
        """Return a notification; two in three are delivered, and one in three is read."""
        fields = [{}, {"delivered_at": at}, {"delivered_at": at, "read_at": at}]
        told = {"type": kind, "content": content, "source_task": task, "created_at": at, "agent": agent}
        return Notification(**told, **self.choice.choice(fields))

    def rows_of_run(self, task: Task, agent: Agent, at: datetime) -> Iterable[models.Model]:
        failed = task.status == Task.Status.BLOCKED
        events = list(self.events_of_run(Run.Status.ERROR if failed else Run.Status.COMPLETED, at))
        run = Run(
            project=task.project,
            task=task,
            task_title=task.title,
            agent=agent,
            agent_name=agent.name,
            status=events[-1].content,
            error="The provider did not answer" if failed else "",
            queued_at=at,
            started_at=at,
            finished_at=at + timedelta(seconds=90),
            last_seq=len(events),
            prompt=self.text(500),
            output="".join(event.content for event in events if event.type == RunEvent.Type.MESSAGE),
        )
        task.last_run, task.started_at = run, at
        yield run
        yield UsageRecord.of(run)
        kind = Notification.Type.RUN_FAILED if failed else Notification.Type.RUN_COMPLETED
        yield self.notification(kind, f"{agent.name} ended '{task.title}'", task, at, None)
        for event in events:
            event.run = run
            yield event
        if not failed:
            task.completed_at = at
            yield from self.rows_of_document(run, at)

    def events_of_run(self, outcome: str, at: datetime) -> Iterable[RunEvent]:
        kind = RunEvent.Type
        started = {"phase": "started", "agent_id": "", "attempt": 1}
        output_events: list[tuple[str, str, dict]] = [
            (kind.MESSAGE, self.text(200), {}) for _ in range(self.events_a_run - 2)
        ]
        ended = {"phase": "ended", "error": None}
        drafts = [(kind.STATUS, "started", started), *output_events, (kind.STATUS, outcome, ended)]
        for seq, (type, content, metadata) in enumerate(drafts, start=1):
            yield RunEvent(seq=seq, type=type, content=content, metadata=metadata, timestamp=at)

    def rows_of_document(self, run: Run, at: datetime) -> Iterable[models.Model]:
        document = Deliverable(
            title=f"Deliverable: {run.task_title}",
            content=run.output,
            type=Deliverable.Type.DELIVERABLE,
            task=run.task,
            project=run.project,
            run=run,
            author_id=str(run.agent.pk),
            created_at=at,
            updated_at=at,
        )
        yield document
        yield DeliverableVersion(deliverable=document, version=1, content=run.output, run=run, created_at=at)
        message = f"Document created: {document.title}"
        yield self.activity(Activity.Type.DOCUMENT_CREATED, message, run.task, run.agent, at, document=document)


def write(filling: Filling, numbers: Iterable[int]) -> None:
    """Store some tasks in one transaction, at whose end the references between tasks and runs are checked."""
    rows: dict[type, list] = {model: [] for model in ORDER}
    for number in numbers:
        for row in filling.rows_of(number):
            rows[type(row)].append(row)
    with transaction.atomic():
        for model in ORDER:
            model._default_manager.bulk_create(rows[model])


def keep_given_dates() -> None:
    """Turn off automatic timestamps in this process, so that rows keep the times that are set here."""
    for model in DATED:
        for field in model._meta.fields:
            if isinstance(field, models.DateTimeField):
                field.auto_now = field.auto_now_add = False


def hurry() -> None:
    """Write to SQLite without waiting for the disk: an interrupted fill is repeated from the start."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous=OFF")
            cursor.execute("PRAGMA cache_size=-500000")  # in kB


def main(size: int, events: int) -> None:
    keep_given_dates()
    hurry()
    filling = Filling(size, events)
    for start in range(0, size, TASKS_AT_ONCE):
        write(filling, range(start, min(start + TASKS_AT_ONCE, size)))
    if connection.vendor == "postgresql":  # or autovacuum would do it during a measurement
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
