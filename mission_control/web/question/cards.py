"""Questions as pages show them: what is asked, the possible answers, when it expires, and what happens then."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from django.db.models import QuerySet
from django.utils.safestring import SafeString

from agents.backends import approvals
from mission_control.actions.permissions import Rights
from mission_control.models import Question
from mission_control.models.question import QuestionQuerySet
from mission_control.web.question.tool_input import ToolInput, readable
from mission_control.web.shared.markdown import rendered
from mission_control.web.shared.one_line import words_of
from mission_control.web.shared.plain_text import plain, visible

MAX_KEYS = 9  # options that a digit on the keyboard chooses
SHOWN_CARDS = 20
LINE_CHARS = 160
DECISIONS = {"allow": "allowed it once", "allow_for_run": "allowed it for this run", "deny": "denied it"}
Status = Question.Status


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the answers that a question offers. `key` is the digit that chooses it; 0 for none."""

    id: str
    label: str
    key: int


@dataclass
class QuestionCard:
    """One question. `error` says why the last answer was refused, `written` is the text of that answer."""

    question: Question
    error: str = ""
    written: str = ""

    @property
    def agent_name(self) -> str:
        return self.question.run.agent_name

    @property
    def is_open(self) -> bool:
        return self.question.status == Status.OPEN

    @property
    def is_approval(self) -> bool:
        return self.question.kind == Question.Kind.APPROVAL

    @property
    def html(self) -> SafeString:
        return rendered(self.question.text)

    @property
    def choices(self) -> list[Choice]:
        options = self.question.options if isinstance(self.question.options, list) else []
        return [
            Choice(option["id"], plain(option["label"]), number if number <= MAX_KEYS else 0)
            for number, option in enumerate(options, 1)
        ]

    @property
    def tool_name(self) -> str:
        return visible(str((self.question.tool or {}).get("name", "")))

    @property
    def rule(self) -> str:
        """Return the rule that “Allow for this run” means."""
        tool = self.question.tool or {}
        return visible(approvals.rule_for(tool.get("name", ""), tool.get("input", {})))

    @cached_property
    def tool(self) -> ToolInput:
        return readable((self.question.tool or {}).get("input", {}))

    @property
    def line(self) -> str:
        """Return the question in one line, for cards, slots and lists."""
        return line_of(self.question)

    @property
    def afterwards(self) -> str:
        """Return what happens if nobody answers in time."""
        default = self.question.default
        if not default:
            return "Without an answer by then, the run fails."
        if self.is_approval:
            return "Without an answer by then, it is denied." if default == "deny" else "After that it is allowed."
        return f"Without an answer by then, the answer is “{self._label(default)}”."

    @property
    def outcome(self) -> str:
        """Return how the question ended, and who answered what."""
        if self.question.status == Status.EXPIRED:
            taken = f"; the answer is “{self.answer}”" if self.question.answer else ""
            return f"Nobody answered in time{taken}"
        if self.question.status == Status.CANCELLED:
            return "No longer needed"
        by = self.question.answered_by
        name = (by.get_full_name() or by.get_username()) if by else "Someone"
        return f"{name} {self.answer}" if self.is_approval else f"{name} answered: {self.answer}"

    @property
    def answer(self) -> str:
        """Return the answer in words."""
        given = self.question.answer if isinstance(self.question.answer, dict) else {}
        if "decision" in given:
            said = DECISIONS.get(given["decision"], "decided")
            return f"{said}: {plain(given['reason'])}" if given.get("reason") else said
        return self._label(given["choice"]) if "choice" in given else plain(str(given.get("text", "")))

    def _label(self, option: str) -> str:
        return next((choice.label for choice in self.choices if choice.id == option), plain(option))


def line_of(question: Question) -> str:
    """Return what is asked in one line, without markup; for an approval, the tool."""
    if question.kind == Question.Kind.APPROVAL:
        return f"Approve {visible(str((question.tool or {}).get('name', 'a tool')))}?"[:LINE_CHARS]
    lines = plain(question.text).splitlines()
    return next(filter(None, map(words_of, lines)), "A question")[:LINE_CHARS]


def with_rows(found: QuestionQuerySet) -> QuerySet[Question]:
    """Return the questions with what cards show of their run, task and the person who answered."""
    related = found.select_related("run", "task", "answered_by")
    return related.defer("run__output", "run__prompt", "task__description")


def open_cards(found: QuestionQuerySet, may: Rights) -> list[QuestionCard]:
    """Return the open ones of these questions, oldest first; none if the user may not see runs. One query."""
    if not may.view_run:
        return []
    asked = with_rows(found.open()).order_by("created_at", "id")
    return [QuestionCard(question) for question in asked[:SHOWN_CARDS]]


def open_lines(runs: Iterable[UUID]) -> dict[UUID, str]:
    """Return the oldest open question of each of these runs, in one line. One query, none without runs."""
    keys = list(runs)
    if not keys:
        return {}
    found = Question.objects.open().filter(run__in=keys).order_by("-created_at", "id")
    return {question.run_id: line_of(question) for question in found.only("run_id", "kind", "text", "tool")}
