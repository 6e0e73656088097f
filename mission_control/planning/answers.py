"""Parse and check the planner's answers, with error messages that it can act upon.

No answer of a model is trusted: each one must have a given form, and a plan must also be consistent.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, Literal, NoReturn, Self

from annotated_types import GroupedMetadata
from django.db.models import Field
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError
from pydantic import Field as Limit

from agents.models import Agent
from agents.rules import TAG_CHARS, is_blank
from mission_control.models import Project, Task
from mission_control.text import storable

ANSWER_CHARS = 500_000  # the answer is searched in this many characters at the end of a text
NEAR_CHARS = 1_000
MAX_LISTED = 10
PRD_CHARS = 1_000_000
GOAL_CHARS = 1_000
DEPTHS = ("none", "quick", "standard", "deep")

_HEADING = re.compile(r"^#{1,6}[ \t]+(\S[^\n]*)$", re.MULTILINE)
_FENCED = re.compile(r"\A```[a-z]*\n(.*)\n```\Z", re.DOTALL)
_LABEL = re.compile(r"^(?:PRD|Product Requirements(?: Document)?|Requirements)[ \t]*[:—-][ \t]*", re.IGNORECASE)


class BadAnswer(Exception):
    """The planner's answer is invalid; the message tells the planner and users what is wrong."""


def _length(model: type[Agent | Task | Project], field: str) -> int:
    text = model._meta.get_field(field)
    assert isinstance(text, Field) and text.max_length is not None, "it has a limit"
    return text.max_length


def _any_case(names: Iterable[str]) -> BeforeValidator:
    """Accept the names in any capitalisation; leave any other value unchanged, to be refused later."""
    known = {name.casefold(): name for name in names}

    def with_known_name(value: object) -> object:
        return known.get(value.strip().casefold(), value) if isinstance(value, str) else value

    return BeforeValidator(with_known_name)


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("Input should be a number")  # noqa: TRY004 - pydantic expects a ValueError
    return value


def _visible(text: str) -> str:
    if is_blank(text):
        raise ValueError("String should have at least 1 visible character")
    return text


@dataclass(frozen=True)
class _Text(GroupedMetadata):
    """A text of limited length; one that must not be empty needs a visible character."""

    most: int
    least: int = 1

    def __iter__(self) -> Iterator[Any]:
        yield from StringConstraints(strip_whitespace=True, min_length=self.least, max_length=self.most)
        if self.least:
            yield AfterValidator(_visible)


Line = Annotated[str, _Text(300)]
Word = Annotated[str, _Text(TAG_CHARS)]
Key = Annotated[str, _Text(100)]
Lines = Annotated[list[Line], Limit(max_length=20)]
Words = Annotated[list[Word], Limit(max_length=20)]


class PlannerAnswer(BaseModel):
    """A JSON object without unknown keys."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def read(cls, text: str) -> Self:
        """Parse and check the last JSON object in the text. Raises BadAnswer."""
        return cls.check(last_object(text))

    @classmethod
    def check(cls, given: dict[str, Any]) -> Self:
        """Check the object. Raises BadAnswer."""
        try:
            return cls.model_validate(storable(given))
        except ValidationError as error:
            raise BadAnswer("; ".join(_error_messages(error))) from None


class GoalAnalysis(PlannerAnswer):
    """The analysis of a goal: its size, and what agents and people can do."""

    goal: Annotated[str, _Text(GOAL_CHARS)]
    domain: Annotated[
        Literal["code", "business", "creative", "education", "events", "home", "hybrid"],
        _any_case(["code", "business", "creative", "education", "events", "home", "hybrid"]),
    ] = "hybrid"
    sub_domains: Lines = []
    complexity: Annotated[Literal["S", "M", "L", "XL"], _any_case(["S", "M", "L", "XL"])] = "M"
    estimated_phases: Annotated[int, Limit(ge=1, le=50), BeforeValidator(_number)] = 1
    ai_capabilities: Lines = []
    human_requirements: Lines = []
    constraints_detected: Lines = []
    clarifications_needed: Lines = []
    suggested_research_depth: Annotated[Literal["none", "quick", "standard", "deep"], _any_case(DEPTHS)] = (
        "standard"
    )
    confidence: Annotated[float, Limit(ge=0, le=1, allow_inf_nan=False), BeforeValidator(_number)] = 0.7

    @classmethod
    def completed(cls, given: dict[str, Any], description: str) -> Self:
        """Return a client's analysis with defaults for missing keys; the default of the goal is the description.

        Raises BadAnswer.
        """
        return cls.check({"goal": description.strip()[:GOAL_CHARS], **given})


class PlannedTask(BaseModel):
    """A task of the plan; `key` identifies it within the plan."""

    model_config = ConfigDict(extra="forbid")

    key: Key
    title: Annotated[str, _Text(_length(Task, "title"))]
    description: Annotated[str, _Text(_length(Task, "description"), 0)] = ""
    task_type: Annotated[Task.Type, _any_case(Task.Type.values)] = Task.Type.AGENT
    priority: Annotated[Task.Priority, _any_case(Task.Priority.values)] = Task.Priority.MEDIUM
    tags: Words = []
    estimated_minutes: Annotated[int, Limit(ge=0, le=525_600)] | None = None
    required_specialties: Words = []
    blocked_by_keys: Annotated[list[Key], Limit(max_length=500)] = []


class TaskPlan(PlannerAnswer):
    """All tasks of a plan."""

    tasks: list[PlannedTask]

    def checked(self, *, most_tasks: int) -> Self:
        """Return the plan. Raises BadAnswer if it is empty, too long, or has invalid or cyclic dependencies."""
        if not self.tasks:
            raise BadAnswer("The plan is empty: `tasks` must hold at least one task")
        if (number := len(self.tasks)) > most_tasks:
            raise BadAnswer(f"The plan has too many tasks: {number}, and at most {most_tasks} are allowed")
        keys = [task.key for task in self.tasks]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise BadAnswer(f"Each `key` must be used once; used more often: {_listed(twice)}")
        for task in self.tasks:
            if unknown := [key for key in task.blocked_by_keys if key not in keys]:
                raise BadAnswer(f"The task {task.key!r} is blocked by unknown keys: {_listed(unknown)}")
        self.in_order()
        return self

    def in_order(self) -> list[PlannedTask]:
        """Return the tasks, each after its blockers. Raises BadAnswer for a cycle."""
        by_key = {task.key: task for task in self.tasks}
        waits_for = {task.key: task.blocked_by_keys for task in self.tasks}
        try:
            order = list(TopologicalSorter(waits_for).static_order())
        except CycleError as error:
            circle = " → ".join(reversed(error.args[1][-MAX_LISTED:]))
            raise BadAnswer(f"The tasks form a circular dependency: {circle}") from None
        return [by_key[key] for key in order]


class PlannedAgent(BaseModel):
    """An agent that the plan needs; an existing one is identified by its name."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, _Text(_length(Agent, "name"))]
    role: Annotated[str, _Text(_length(Agent, "role"))]
    description: Annotated[str, _Text(5_000, 0)] = ""
    specialties: Words = []


class Team(PlannerAnswer):
    """The agents for the tasks of a plan."""

    agents: Annotated[list[PlannedAgent], Limit(max_length=20)]


# ---------------------------------------------------------------- parsing
def last_object(text: str) -> dict[str, Any]:
    """Return the last JSON object in the text, fenced or not. Linear time. Raises BadAnswer if there is none."""
    text = text[-ANSWER_CHARS:]
    # Not strict: models write line breaks into their strings.
    decoder = json.JSONDecoder(parse_constant=_refuse_constant, strict=False)
    found: dict[str, Any] | None = None
    at, why = 0, ""
    while (begin := text.find("{", at)) >= 0:
        if begin > NEAR_CHARS:  # the decoder counts all lines before an error
            text, begin = text[begin:], 0
        try:
            value, at = decoder.raw_decode(text, begin)
            found, why = value, ""
        except json.JSONDecodeError as error:
            # Continue after the error: nothing inside of an incomplete object is an answer.
            at, why = max(error.pos, begin + 1), f": {error.msg}"
        except (RecursionError, ValueError):
            found, why = None, ": it is nested too deeply, or a number in it is none that JSON has"
            break
    if found is None:
        raise BadAnswer(f"There is no complete JSON object in the answer{why}")
    return found


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)


def markdown(text: str, what: str) -> str:
    """Return a text without the fence that some models put around it. Raises BadAnswer."""
    text = text.strip()
    if fenced := _FENCED.match(text):
        text = fenced[1].strip()
    if not text:
        raise BadAnswer(f"The {what} is empty")
    if len(text) > PRD_CHARS:
        raise BadAnswer(f"The {what} is longer than {PRD_CHARS:,} characters")
    return text


def title_in(requirements: str) -> str:
    """Return the project's title from the first heading; empty if there is none."""
    heading = _HEADING.search(requirements)
    title = _LABEL.sub("", heading[1].strip("#*` ")).strip("*` ") if heading else ""
    title = title[:100].strip()
    return "" if is_blank(title) else title


def _error_messages(error: ValidationError) -> Iterable[str]:
    """Yield the errors with their locations, without the answer's values."""
    for one in error.errors(include_url=False, include_context=False, include_input=False)[:MAX_LISTED]:
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in one["loc"]).lstrip(".")
        yield f"`{place}`: {'unknown key' if one['type'] == 'extra_forbidden' else one['msg']}"


def _listed(keys: list[str]) -> str:
    return ", ".join(repr(key) for key in keys[:MAX_LISTED])
