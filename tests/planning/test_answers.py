"""A planner's answers are extracted from its text, checked, and refused with a clear reason."""

import json
import time

import pytest

from mission_control.planning.answers import (
    BadAnswer,
    GoalAnalysis,
    TaskPlan,
    Team,
    last_object,
    markdown,
    title_in,
)
from tests.planning.planners import ANALYSIS, a_task


@pytest.fixture(autouse=True)
def database():
    """These tests need no database."""


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        'First {"b": 2}, no: {"a": 1} it is.',
        'A set {x} and {"broken": and then\n```json\n{"a": 1}\n```\nThat is all.',
        '```\n{"a": 1}\n```',
        'Between {"b": "```json"} fences {"a":\n1}',
    ],
)
def test_the_last_object_of_the_text_is_the_answer(text):
    assert last_object(text) == {"a": 1}


def test_a_line_break_within_a_text_is_taken_as_it_is_meant():
    assert last_object('{"a": "one\ntwo"}') == {"a": "one\ntwo"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No.",
        "[1, 2]",
        '{"tasks": [{"key": "a"}, {"key": "b"}',
        '{"a": NaN}',
        '{"a": ' * 5_000,
        '{"a": ' + "9" * 5_000,
    ],
)
def test_where_no_whole_object_is_none_is_made_up(text):
    with pytest.raises(BadAnswer, match="no complete JSON object"):
        last_object(text)


def test_a_hostile_text_is_read_in_linear_time():
    begin = time.monotonic()
    for text in ("{" * 1_000_000, '{"a":' * 200_000, '{"a":[1,' * 120_000, '{"' * 500_000, '{"a":1} ' * 120_000):
        try:
            last_object(text)
        except BadAnswer:
            continue
    assert time.monotonic() - begin < 30


@pytest.mark.parametrize(
    ("tasks", "told"),
    [
        ([], "The plan is empty"),
        ([a_task("a"), a_task("b"), a_task("c"), a_task("d")], "too many tasks: 4, and at most 3 are allowed"),
        ([a_task("a"), a_task("a")], "used more often: 'a'"),
        ([a_task("a", "b")], "'a' is blocked by unknown keys: 'b'"),
        ([a_task("a", "c"), a_task("b", "a"), a_task("c", "b")], "circular dependency"),
        ([a_task("a", "a")], "circular dependency: a → a"),
        ([a_task("a", colour="red")], "`tasks[0].colour`: unknown key"),
        ([{"key": "a"}], "`tasks[0].title`: Field required"),
        ([a_task("a", title="t" * 201)], "`tasks[0].title`: String should have at most 200 characters"),
        ([a_task("a", title=" ")], "`tasks[0].title`"),
        ([a_task("a", description="d" * 50_001)], "`tasks[0].description`"),
        ([a_task("a", tags=["t" * 51])], "`tasks[0].tags[0]`"),
        ([a_task("a", task_type="robot")], "`tasks[0].task_type`"),
        ([a_task("a", priority=1)], "`tasks[0].priority`"),
        ([a_task("a", estimated_minutes=-1)], "`tasks[0].estimated_minutes`"),
        (["a"], "`tasks[0]`"),
        ("all of them", "`tasks`: Input should be a valid list"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused_and_says_why(tasks, told):
    with pytest.raises(BadAnswer) as refused:
        TaskPlan.read(json.dumps({"tasks": tasks})).checked(most_tasks=3)
    assert told in str(refused.value)


def test_a_plan_comes_in_an_order_in_which_it_can_be_done():
    plan = TaskPlan.check({"tasks": [a_task("c", "b"), a_task("b", "a"), a_task("a")]}).checked(most_tasks=3)
    assert [task.key for task in plan.in_order()] == ["a", "b", "c"]


def test_names_are_taken_however_they_are_capitalised_and_space_is_taken_off():
    analysis = GoalAnalysis.check({**ANALYSIS, "domain": " Creative", "complexity": "xl", "goal": " Cats\n"})
    assert (analysis.domain, analysis.complexity, analysis.goal) == ("creative", "XL", "Cats")


@pytest.mark.parametrize(
    "change",
    [
        {"goal": ""},
        {"domain": "sea"},
        {"estimated_phases": 0},
        {"confidence": 1.1},
        {"sub_domains": ["x"] * 21},
        {"a": 1},
    ],
)
def test_an_analysis_of_another_form_is_refused(change):
    with pytest.raises(BadAnswer):
        GoalAnalysis.check({**ANALYSIS, **change})


def test_an_agent_without_a_role_is_refused():
    with pytest.raises(BadAnswer, match="role"):
        Team.check({"agents": [{"name": "Ada"}]})


def test_no_text_of_an_answer_holds_what_no_database_takes():
    analysis = GoalAnalysis.check({**ANALYSIS, "goal": "nul \x00 and \ud800 end"})
    assert analysis.goal == "nul \ufffd and ? end"


def test_a_document_comes_out_of_the_fence_round_it_and_is_not_empty():
    assert (
        markdown("```markdown\n# Title\n\n```py\n1\n```\nEnd\n```\n", "document")
        == "# Title\n\n```py\n1\n```\nEnd"
    )
    assert markdown(" # Title\n", "document") == "# Title"
    with pytest.raises(BadAnswer, match="The document is empty"):
        markdown("```\n\n```", "document")


@pytest.mark.parametrize(
    ("requirements", "title"),
    [
        ("# The Cat Book\n## More", "The Cat Book"),
        ("Well.\n\n## **PRD: The Cat Book**", "The Cat Book"),
        ("# Product Requirements Document — The Cat Book #", "The Cat Book"),
        ("No heading", ""),
        ("# " + "x" * 300, "x" * 100),
    ],
)
def test_the_first_heading_of_the_requirements_is_the_title(requirements, title):
    assert title_in(requirements) == title
