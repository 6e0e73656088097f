"""`manage.py run_task TASK --agent AGENT`: run a task and watch its output in the terminal."""

import select
import signal
import sys
import time
import uuid
from contextlib import suppress
from typing import Any, TypeVar

from django.core.management.base import CommandError, CommandParser
from django.db.models import Q, QuerySet

from agents.models import Agent
from mission_control.actions.task_runs import first_assignee
from mission_control.errors import NotRunning, Refusal
from mission_control.formatting import duration
from mission_control.management import asking
from mission_control.management.base import DatabaseCommand
from mission_control.models import Question, Run, RunEvent, Task
from mission_control.realtime.frames import shown_content
from mission_control.runs import events
from mission_control.runs.admission import admit
from mission_control.runs.lifecycle import stop
from mission_control.runs.open_questions import open_of
from mission_control.runs.workers import count_live_groups
from mission_control.terminal import TerminalText, terminal_text
from mission_control.text import as_uuid

EXIT_STATUS: dict[str, int] = {Run.Status.COMPLETED: 0, Run.Status.ERROR: 1, Run.Status.STOPPED: 3}
Row = TypeVar("Row", Agent, Task)
REFUSED = 4
POLL_SECONDS = 0.1


class Command(DatabaseCommand):
    help = (
        "Run a task with an agent and follow its output until it ends. Ctrl-C stops the run. "
        "A question of the agent is shown; in a terminal, type the answer. "
        "Exit status: 0 completed, 1 error, 3 stopped, 4 refused (not started), 69 the database is "
        "unavailable, 141 the reader of the output is gone, 74 the output cannot be written (in the last three "
        "the run continues)."
    )
    no_database_status = 69

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("task", help="the task's id, or its title where only one task has it")
        parser.add_argument(
            "--agent", help="an agent's id, or its name where only one has it (default: first assignee)"
        )
        parser.add_argument("--queue", action="store_true", help="queue the run when all slots are busy")
        parser.add_argument(
            "--ignore-dependencies", action="store_true", help="run it even if it is blocked by unfinished tasks"
        )

    def handle(
        self, *, task: str, agent: str | None, queue: bool, ignore_dependencies: bool, **options: Any
    ) -> None:
        run = self.admitted(task, agent, queue=queue, ignore_dependencies=ignore_dependencies)
        raise SystemExit(EXIT_STATUS[self.follow(run)])

    def admitted(self, task: str, agent: str | None, *, queue: bool, ignore_dependencies: bool) -> Run:
        """Start the run, or let it wait, and print which. Raises CommandError."""
        found = only(Task.objects.all(), task, "task", "title")
        try:
            run = admit(
                found,
                only(Agent.objects.all(), agent, "agent", "name") if agent else assigned(found),
                when_full="queue" if queue else "reject",
                ignore_dependencies=ignore_dependencies,
            )
        except Refusal as refusal:
            raise CommandError(refusal.detail, returncode=REFUSED) from None
        self.say(f"Run {run.pk}: {run.agent_name} on '{run.task_title}' ({run.status})")
        if not count_live_groups():
            self.say("No worker is alive: start one with `manage.py up` or `manage.py worker`.")
        return run

    def follow(self, run: Run) -> str:
        """Print the run's log as it grows, and return how it ended. SIGINT and SIGTERM stop the run."""
        self.spoken, self.thought = TerminalText(), TerminalText()
        self.shown_question: uuid.UUID | None = None
        interrupted = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: interrupted.append(True))
        seq = 0
        while True:
            current = Run.objects.light().get(pk=run.pk)
            for event in events.after(run.pk, seq):
                self.show(event)
                seq = event.seq
            if not current.is_active:
                return self.conclude(current)
            if interrupted:
                interrupted.clear()
                self.say("\nStopping …")
                self.stop(run)
            self.wait(open_of(run.pk))

    def wait(self, waiting: list[Question]) -> None:
        """Wait for a moment. Show a question when the agent asks it, and answer it with a line that is typed."""
        question = waiting[0] if waiting else None
        if question and question.pk != self.shown_question:
            self.say("\n" + asking.described(question))
        self.shown_question = question.pk if question else None
        if question is None or not sys.stdin.isatty():
            time.sleep(POLL_SECONDS)
        elif select.select([sys.stdin], [], [], POLL_SECONDS)[0] and (line := sys.stdin.readline()).strip():
            try:
                self.say(f"Answered: {asking.answer(question, line)}")
            except Refusal as refusal:
                self.say(refusal.detail)

    def stop(self, run: Run) -> None:
        with suppress(NotRunning):  # it has just ended; the next poll shows how
            stop(run, reason="Stopped in the terminal")

    def show(self, event: RunEvent) -> None:
        """Write the agent's messages to standard output, and all other events to standard error."""
        if event.type == RunEvent.Type.MESSAGE:
            sys.stdout.write(self.spoken.feed(event.content) if sys.stdout.isatty() else event.content)
            sys.stdout.flush()
        elif event.type == RunEvent.Type.THINKING:
            sys.stderr.write(self.thought.feed(event.content) if sys.stderr.isatty() else event.content)
        elif "phase" not in event.metadata:
            self.say(f"[{shown_content(event)}]")

    def conclude(self, run: Run) -> str:
        took = f" after {duration(run.duration_seconds)}" if run.duration_seconds is not None else ""
        self.say(f"\n{run.status.capitalize()}{took}" + (f": {run.error}" if run.error else ""))
        return run.status

    def say(self, line: str) -> None:
        self.stderr.write(terminal_text(line) if sys.stderr.isatty() else line, style_func=str)


def only(rows: QuerySet[Row], given: str, noun: str, field: str) -> Row:
    """Return the only row with this id, title or name. Raises CommandError."""
    key = as_uuid(given)
    found = list(rows.filter(Q(pk=key) if key else Q(**{field: given}))[:2])
    if len(found) == 1:
        return found[0]
    problem = f"no {noun} is" if not found else f"several {noun}s are"
    raise CommandError(f"{problem} called '{given}'" + ("; give the id" if found else ""), returncode=REFUSED)


def assigned(task: Task) -> Agent:
    """Return the task's first assignee. Raises CommandError when it has none."""
    agent = first_assignee(task)
    if agent is None:
        raise CommandError("the task has no assignee: name an agent with --agent", returncode=REFUSED)
    return agent
