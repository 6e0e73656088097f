"""Prompts are well-formed, with any text from people and from earlier agents."""

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mission_control.runs.prompt_sections import MARK_CHARS, MIN_CHARS, one_line
from mission_control.runs.prompts import Brief, Source, build_prompt
from tests.properties.hostile import lines, texts

sources = st.builds(Source, st.sampled_from(["requirements", "deliverable"]), lines, texts)
briefs = st.builds(
    Brief,
    agent_name=lines,
    agent_role=lines,
    agent_description=texts,
    agent_specialties=st.lists(lines, max_size=3),
    project_title=lines,
    project_folder=lines,
    requirements=st.none() | sources,
    upstream=st.lists(sources, max_size=6),
    feedback=st.lists(texts, max_size=3),
    task_title=lines,
    task_description=texts,
    task_priority=st.sampled_from(["low", "medium", "high", "urgent"]),
    documents=st.lists(sources, max_size=4),
    thread=st.lists(sources, max_size=6),
    older_messages=st.sampled_from([0, 0, 5]),
    fence=st.just("f3n5e"),
)
budgets = st.one_of(st.integers(0, 3_000), st.integers(0, 20_000))
END = "</document-f3n5e>"
TAG = re.compile(r"<\s*/?\s*document\b", re.IGNORECASE)
READS_AS_TAG = re.compile(r"<[\s/\\]*document", re.IGNORECASE)
MARK = re.compile(rf"\n\[… cut here to fit: ([\d,]+) of ([\d,]+) characters left out …\]\n{END}")
FENCED = re.compile(rf"(?s)\n<document-f3n5e .*?\n{END}")


def all_sources(brief: Brief) -> list[Source]:
    rounds = [Source("feedback", f"Review {number}", said) for number, said in enumerate(brief.feedback, 1)]
    return (
        ([brief.requirements] if brief.requirements else [])
        + brief.upstream
        + brief.documents
        + rounds
        + brief.thread
    )


def without_sources(brief: Brief) -> Brief:
    return replace(brief, requirements=None, upstream=[], feedback=[], documents=[], thread=[])


def emptied(brief: Brief) -> Brief:
    """Return the brief with all its sources, each with empty text."""
    return replace(
        brief,
        requirements=brief.requirements and replace(brief.requirements, content=""),
        upstream=[replace(source, content="") for source in brief.upstream],
        feedback=[""] * len(brief.feedback),
        documents=[replace(source, content="") for source in brief.documents],
        thread=[replace(source, content="") for source in brief.thread],
    )


@given(briefs, budgets)
def test_the_agents_and_the_tasks_own_words_are_there_whole_and_last(brief, budget):
    prompt = build_prompt(brief, budget_chars=budget)
    own = build_prompt(without_sources(brief), budget_chars=0)

    task = own[own.rindex(f"## Your task: {one_line(brief.task_title)}\nPriority: {brief.task_priority}") :]
    assert brief.task_description in task
    assert prompt.endswith(task)
    assert prompt.startswith(f"You are {one_line(brief.agent_name)}, {one_line(brief.agent_role)}.")


@given(briefs, budgets)
def test_it_stays_within_its_budget_unless_what_is_never_cut_is_longer(brief, budget):
    least = len(build_prompt(brief, budget_chars=0))
    without_content = len(build_prompt(emptied(brief), budget_chars=0))

    assert least <= without_content + (MIN_CHARS + MARK_CHARS) * len(all_sources(brief))
    assert len(build_prompt(brief, budget_chars=budget)) <= max(budget, least)


@given(briefs)
def test_with_room_enough_everything_is_sent_whole(brief):
    prompt = build_prompt(brief, budget_chars=10**9)

    assert "".join(prompt.split("\\")).count("cut here to fit") == sum(
        text.replace("\\", "").count("cut here to fit") for text in every_text(brief)
    )
    for source in all_sources(brief):
        if not READS_AS_TAG.search(source.content):
            assert f">\n{source.content}\n{END}" in prompt


def every_text(brief: Brief) -> list[str]:
    own = [
        brief.agent_name, brief.agent_role, brief.agent_description, brief.task_title, brief.task_description,
        *brief.agent_specialties,
    ]  # fmt: skip
    if brief.project_title:
        own += [brief.project_title, brief.project_folder]
    return own + [text for source in all_sources(brief) for text in (source.title, source.content)]


@given(sources, budgets)
def test_what_is_cut_says_so_where_it_was_cut(source, budget):
    brief = Brief("A", "B", "Title", "", "low", upstream=[source], fence="f3n5e")
    prompt = build_prompt(brief, budget_chars=budget)
    whole = build_prompt(brief, budget_chars=10**9)
    if prompt == whole:
        return

    mark = list(MARK.finditer(prompt))[-1]
    left_out, of = (int(number.replace(",", "")) for number in mark.groups())
    kept = prompt[prompt.index('">\n') + 3 : mark.start()]
    text = whole[whole.index('">\n') + 3 : whole.rindex(f"\n{END}")]
    assert text.startswith(kept) and (left_out, of) == (len(text) - len(kept), len(text))


@given(briefs, budgets)
def test_no_text_opens_or_closes_a_fence(brief, budget):
    """Only the texts of the agent, the project and the task may contain anything, because they are not quoted."""
    quoting = Brief(
        "A",
        "B",
        "Title",
        "Text",
        "low",
        project_title="P",
        requirements=brief.requirements,
        upstream=brief.upstream,
        feedback=brief.feedback,
        documents=brief.documents,
        thread=brief.thread,
        fence="f3n5e",
    )
    prompt = build_prompt(quoting, budget_chars=budget)

    sent = len(all_sources(brief)) and prompt.count('" title="') + 1  # one pair is in the sentence about fences
    assert TAG.findall(prompt) == ["<document", "</document"] * sent
    outside = re.sub(r"\n\[… [\d]+ earlier \w+ left out to fit …\]", "", FENCED.sub("", prompt))
    plain = FENCED.sub("", build_prompt(replace(emptied(quoting), older_messages=0), budget_chars=10**9))
    assert outside == plain


@given(lines)
def test_a_title_stays_within_its_quotes_on_one_line(title):
    brief = Brief("A", "B", "Title", "", "low", upstream=[Source("deliverable", title, "Text")], fence="f3n5e")
    prompt = build_prompt(brief, budget_chars=10**9)

    assert re.search(
        r'^<document-f3n5e kind="deliverable" title="[^"]*">\nText\n</document-f3n5e>$', prompt, re.MULTILINE
    )
    assert prompt.splitlines()[6].startswith("<document-") and prompt.splitlines()[7] == "Text"


@given(briefs, budgets)
def test_the_same_brief_gives_the_same_prompt(brief, budget):
    again = replace(brief, upstream=[replace(source) for source in brief.upstream])

    assert build_prompt(brief, budget_chars=budget) == build_prompt(again, budget_chars=budget)
