"""The data of a task's page: its runs, documents, messages, dependencies, and the agents that can run it."""

import re
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.safestring import SafeString

from agents import connections
from agents.backends import registry
from agents.models import Agent
from agents.rules import CONTENT_BYTES
from mission_control.actions.permissions import Rights
from mission_control.models import (
    Deliverable,
    Message,
    Project,
    Question,
    Review,
    Run,
    Task,
)
from mission_control.models.agents import with_runs
from mission_control.runs.slots import capacity
from mission_control.web.question.cards import QuestionCard, open_cards
from mission_control.web.shared.conflicts import EditConflict, basis_of
from mission_control.web.shared.fields import tags_text
from mission_control.web.shared.markdown import all_rendered, rendered
from mission_control.web.shared.plain_text import plain
from mission_control.web.shared.states import State, has_failed, state_of, word_of
from mission_control.web.task.attachments import attachable, attached_to
from mission_control.web.task.reach import Reach
from mission_control.web.task.rows import AgentChoice, DocumentRow, MessageRow, RunRow, author_of, document_rows
from mission_control.web.task.thread import Entry, entries_of
from mission_control.web.task.under_review import Part, parts_of

SHOWN_RUNS, SHOWN_MESSAGES = 10, 30  # until the user requests more
MORE, MOST = 100, 2_000  # the step when the user requests more, and the maximum
SHOWN_DOCUMENTS = 50
SHOWN_CHOICES = 200  # agents, people and tasks to choose from
FOLDED_CHARS = 160  # about two lines: a shorter description is not folded
TEXTS = ("title", "description")  # edited in one form, with a check for edit conflicts


def _shown(requested: int | None, least: int) -> int:
    return min(max(requested or 0, least), MOST)


@dataclass
class TaskPage:
    """One task with all data of its page. Each part is read on first use, in a constant number of queries."""

    task: Task
    may: Rights
    chosen_run: UUID | None = None
    chosen_agent: UUID | None = None
    last_agent: UUID | None = None  # the one that the user started last, on any task
    requested_runs: int | None = None
    requested_messages: int | None = None
    file_bytes: ClassVar[int] = CONTENT_BYTES
    file_megabytes: ClassVar[int] = CONTENT_BYTES // 2**20
    conflict: EditConflict | None = None
    written: dict[str, str] = field(default_factory=dict)  # the submitted texts, after a conflict

    @property
    def upload_bytes(self) -> int:
        """Return how large a file for the working folder may be."""
        return settings.MAX_FILE_BYTES

    @property
    def upload_files(self) -> int:
        return settings.MAX_FILES_AT_ONCE

    @property
    def upload_bytes_together(self) -> int:
        return self.upload_bytes * self.upload_files

    # ------------------------------------------------------------ runs
    @cached_property
    def rows(self) -> list[RunRow]:
        if not self.may.view_run:
            return []
        return [RunRow(run) for run in self._runs[: _shown(self.requested_runs, SHOWN_RUNS)]]

    @property
    def names_hosts(self) -> bool:
        """Return whether runs may have run on different machines, so that the page shows hosts."""
        return not settings.EMBEDDED_DATABASE

    @property
    def _runs(self) -> QuerySet[Run]:
        return Run.objects.light().select_related("agent").filter(task=self.task).order_by("-queued_at", "id")

    @cached_property
    def runs_number(self) -> int:
        return len(self.rows) if len(self.rows) < SHOWN_RUNS else self._runs.count()

    @property
    def older_runs(self) -> int:
        return self.runs_number - len(self.rows)

    @property
    def more_runs(self) -> int:
        """Return how many runs the page will show when the user requests older ones."""
        return len(self.rows) + min(self.older_runs, MORE)

    @cached_property
    def newest(self) -> RunRow | None:
        return next((row for row in self.rows if row.run.pk == self.task.last_run_id), None)

    @cached_property
    def shown(self) -> RunRow | None:
        """Return the run whose output is shown: the requested one, else the newest."""
        found = next((row for row in self.rows if row.run.pk == self.chosen_run), None)
        if found is None and self.rows and self.chosen_run:
            found = next(map(RunRow, self._runs.filter(pk=self.chosen_run)), None)
        return found or self.newest

    @property
    def follows(self) -> bool:
        return self.shown is self.newest

    @property
    def active(self) -> bool:
        return self.task.last_run is not None and self.task.last_run.is_active

    @property
    def state(self) -> State:
        """Return the task's status; a task whose run failed is not called blocked."""
        failed, task = has_failed(self.task), self.task
        return state_of(task) if failed else State(task.status, word_of(task.status), f"s-{task.status}")

    @cached_property
    def questions(self) -> list[QuestionCard]:
        """Return the open questions of the task's run. Only an active run can have some."""
        return open_cards(Question.objects.filter(task=self.task), self.may) if self.active else []

    # ------------------------------------------------------------ agents to choose from, and obstacles to a run
    @cached_property
    def choices(self) -> list[AgentChoice]:
        connections.refresh()
        found = [
            AgentChoice(
                agent,
                running=agent.__dict__["running_count"],  # annotated
                missing=registry.missing_for(agent.backend, agent.backend_options) or "",
            )
            for agent in with_runs()[:SHOWN_CHOICES]
        ]
        found.sort(key=lambda choice: self._place_of(choice.agent))
        first = self._first_of([choice.agent.pk for choice in found])
        for choice in found:
            choice.is_chosen = choice.agent.pk == first
        return found

    def _place_of(self, agent: Agent) -> int:
        return self.task.assignee_ids.index(agent.pk) if agent.pk in self.task.assignee_ids else SHOWN_CHOICES

    def _first_of(self, agents: list[UUID]) -> UUID | None:
        """Return the chosen agent, else an assigned one, the task's last, the user's last, or the only one."""
        last = self.task.last_run.agent_id if self.task.last_run else None
        chosen = self.chosen_agent or next(iter(self.task.assignee_ids), last)
        if chosen or self.last_agent in agents:
            return chosen or self.last_agent
        return agents[0] if len(agents) == 1 else None

    @property
    def picks(self) -> list[AgentChoice]:
        """Return the agents that can run the task now; of a parked run, those that could take it over."""
        run = self.task.last_run
        waits = run.agent_id if run and run.status == Run.Status.PARKED else None
        return [choice for choice in self.choices if choice.agent.pk != waits]

    @property
    def chosen(self) -> AgentChoice | None:
        return next((choice for choice in self.picks if choice.is_chosen), None)

    @cached_property
    def capacity(self) -> dict[str, int]:
        return capacity()

    @property
    def is_full(self) -> bool:
        return not self.capacity["available"] or bool(self.capacity["waiting"])

    @property
    def obstacle(self) -> str:
        """Return why a run would be refused even with a free slot: "blocked", "no_agent", or empty."""
        if self.blockers:
            return "blocked"
        return "" if self.choices else "no_agent"

    @property
    def held(self) -> str:
        """Return why the agent cannot be changed while a run is active; empty without an active run."""
        run = self.task.last_run
        if run is None or not run.is_active:
            return ""
        if run.stop_requested_at:
            return "Stopping…"
        if run.status == Run.Status.PARKED:
            return ""
        if run.status == Run.Status.WAITING:
            is_full = not self.capacity["available"]
            reason = "All slots are busy" if is_full else "Other runs are ahead in the queue"
            return f"{reason}. It starts automatically. To switch agents, remove it from the queue."
        return "To switch agents, stop this run first."

    # ------------------------------------------------------------ dependencies
    @cached_property
    def needs(self) -> list[Task]:
        return list(self.task.blocked_by.all())

    @cached_property
    def needed_by(self) -> list[Task]:
        return list(self.task.blocks.all())

    @property
    def has_no_dependencies(self) -> bool:
        """Return whether there is nothing to show or to add."""
        can_add = self.may.change_task and bool(self.possible_needs)
        return not (self.needs or self.needed_by or can_add)

    @property
    def blockers(self) -> list[Task]:
        return [task for task in self.needs if not task.is_resolved]

    @cached_property
    def possible_needs(self) -> list[Task]:
        """Return tasks that could be added as blockers: those of the same project or of none."""
        same = Q(project__isnull=True) | Q(project_id=self.task.project_id)
        others = Task.objects.filter(same).exclude(pk__in=[self.task.pk, *self.task.blocker_ids])
        return list(others.only("id", "title")[:SHOWN_CHOICES])

    # ------------------------------------------------------------ documents, messages, reviews
    @cached_property
    def documents(self) -> list[DocumentRow]:
        if not self.may.view_deliverable:
            return []
        found = Deliverable.objects.filter(task=self.task).defer("content").order_by("created_at", "id")
        return document_rows(found[:SHOWN_DOCUMENTS])

    @cached_property
    def messages(self) -> list[MessageRow]:
        if not self.may.view_message:
            return []
        newest = Message.objects.filter(task=self.task).select_related("author", "from_agent", "run")
        newest = newest.defer("run__output", "run__prompt", "run__follow_up")
        found = newest.order_by("-created_at", "-id")[: _shown(self.requested_messages, SHOWN_MESSAGES)][::-1]
        attached = attached_to(found) if self.may.view_deliverable else {}
        texts = all_rendered((message.content for message in found), mentions=True)
        rows = zip(found, texts, strict=True)
        return [MessageRow(message, text, attached.get(message.pk, [])) for message, text in rows]

    @cached_property
    def earlier_messages(self) -> int:
        shown = len(self.messages)
        return 0 if shown < SHOWN_MESSAGES else Message.objects.filter(task=self.task).count() - shown

    @property
    def more_messages(self) -> int:
        """Return how many messages the page will show when the user requests earlier ones."""
        return len(self.messages) + min(self.earlier_messages, MORE)

    @cached_property
    def thread(self) -> list[Entry]:
        """Return the messages with the runs, their answers and their questions between them, oldest first."""
        shown = self.task, self.messages, self.rows
        return entries_of(*shown, is_cut=bool(self.earlier_messages), with_answers=self.may.view_deliverable)

    @cached_property
    def reach(self) -> Reach:
        """Return how a message that is written now reaches an agent."""
        return Reach.of(self.task, self.choices, self.may)

    @cached_property
    def attachable(self) -> list[Deliverable]:
        """Return the documents that can be attached to the task; none if the user may not attach any."""
        can = self.may.view_deliverable and self.may.change_deliverable
        return list(attachable(self.task)) if can else []

    @cached_property
    def reviews(self) -> list[Review]:
        if not self.may.view_review:
            return []
        decided = Review.objects.filter(task=self.task).exclude(status=Review.Status.OPEN)
        return list(decided.select_related("decided_by", "run").defer("run__output", "run__prompt")[:10])

    @property
    def in_review(self) -> bool:
        return self.task.status == Task.Status.REVIEW

    @cached_property
    def review_reason(self) -> str:
        """Return why the task went to review although it requires none; empty if there is no such reason."""
        reviews = Review.objects.filter(task=self.task, status=Review.Status.OPEN)
        return reviews.values_list("reason", flat=True).first() or ""

    @cached_property
    def handles(self) -> list[str]:
        """Return the names that @mentions can use, without the @: all, agents and people."""
        people = User.objects.filter(is_active=True).values_list("username", flat=True)[:SHOWN_CHOICES]
        names = [choice.agent.name for choice in self.choices] + list(people)
        return ["all", *dict.fromkeys(re.sub(r"\W+", "-", name.lower()).strip("-") for name in names)]

    @cached_property
    def under_review(self) -> list[Part]:
        """Return the tasks that a review task covers, with their documents if the user may see those."""
        if not self.may.view_deliverable:
            return [Part(task) for task in self.needs]
        return parts_of(self.needs, self.reviews)

    @property
    def hides_output(self) -> bool:
        """Return whether the page has no output to show, now or later: no agent runs the task."""
        return self.task.task_type != Task.Type.AGENT and self.shown is None

    # ------------------------------------------------------------ properties
    @property
    def assignees(self) -> list[Agent]:
        return [assignment.agent for assignment in self.task.assignments.all()]

    @property
    def tags(self) -> list[str]:
        return [plain(str(tag)) for tag in self.task.tags] if isinstance(self.task.tags, list) else []

    @property
    def tags_text(self) -> str:
        """Return the tags as text for the form field."""
        return tags_text(self.task.tags) if isinstance(self.task.tags, list) else ""

    @property
    def description_html(self) -> SafeString:
        return rendered(self.task.description)

    @property
    def folds_text(self) -> bool:
        """Return whether the description is folded to two lines, to leave space for an active run's output."""
        text = self.task.description.strip()
        return self.active and (len(text) > FOLDED_CHARS or text.count("\n") > 1)

    @property
    def edited(self) -> dict[str, str]:
        """Return the values for the form of title and description."""
        return self.written or {name: getattr(self.task, name) for name in TEXTS}

    @property
    def basis(self) -> str:
        return (
            self.conflict.basis if self.conflict else basis_of({name: getattr(self.task, name) for name in TEXTS})
        )

    @property
    def edit_url(self) -> str:
        return reverse("task-edit", args=[self.task.pk])

    @cached_property
    def projects(self) -> list[Project]:
        return list(Project.objects.only("id", "title").order_by("title", "id")[:SHOWN_CHOICES])

    @cached_property
    def creator(self) -> str:
        return author_of(self.task.creator_id, self._names)

    @cached_property
    def _names(self) -> dict[str, str]:
        return {str(choice.agent.pk): choice.agent.name for choice in self.choices}

    @property
    def is_skippable(self) -> bool:
        return self.task.is_skippable

    @property
    def priorities(self) -> list[tuple[str, str]]:
        return [(str(value), str(label)) for value, label in reversed(Task.Priority.choices)]

    @property
    def kinds(self) -> list[tuple[str, str]]:
        return list(KINDS.items())

    @property
    def kind(self) -> str:
        return KINDS[self.task.task_type]

    @property
    def statuses(self) -> list[tuple[str, str]]:
        """Return the statuses that a user can set; skipping is a separate action."""
        return [(str(value), str(label)) for value, label in Task.Status.choices if value != Task.Status.SKIPPED]


KINDS = {"agent": "Agent task", "human": "Human task", "review": "Human review"}
