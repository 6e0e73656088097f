"""How a run's log is cut into what a page shows, and what becomes of hostile text on the way."""

import re

import pytest
from django.db.models import Q

from mission_control.models import Run, RunEvent
from mission_control.runs.events import Draft
from mission_control.runs.lifecycle import finish
from mission_control.web import transcript
from mission_control.web.differences import difference
from mission_control.web.markdown import rendered
from mission_control.web.plain import plain
from tests import make
from tests.web.pages import say, started_run

Type = RunEvent.Type


@pytest.fixture
def run(transactional_db):
    make.limit(5)
    return started_run(make.task())


def kinds(stretch: transcript.Stretch) -> list[str]:
    return [block.kind for block in stretch.blocks]


def text(stretch: transcript.Stretch) -> str:
    return "".join(block.text for block in stretch.blocks if block.kind == "message")


# ---------------------------------------------------------------- blocks
def test_neighbouring_text_is_one_block_and_a_tool_has_its_result(run):
    say(run, Draft(Type.THINKING, "Let me "), Draft(Type.THINKING, "see."))
    say(run, Draft(Type.TOOL_USE, "read", {"id": "1", "input": {"path": "a.md", "all": True}}))
    say(
        run,
        Draft(Type.TOOL_RESULT, "one\ntwo\n", {"id": "1"}),
        Draft(Type.MESSAGE, "Do"),
        Draft(Type.MESSAGE, "ne."),
    )
    finish(run.pk, Run.Status.ERROR, error="It broke", guard=Q())
    shown = transcript.tail(run)
    assert kinds(shown) == ["started", "thinking", "tool", "message", "error"]
    _, thinking, tool, message, error = shown.blocks
    assert (thinking.text, message.text, error.text) == ("Let me see.", "Done.", "It broke")
    assert (tool.summary, tool.result, tool.result_lines, tool.first, tool.last) == ("a.md", "one\ntwo\n", 2, 4, 5)


def test_a_result_of_another_use_stands_by_itself(run):
    say(run, Draft(Type.TOOL_USE, "a", {"id": "1"}), Draft(Type.TOOL_USE, "b", {"id": "2"}))
    say(run, Draft(Type.TOOL_RESULT, "of a", {"id": "1"}), Draft(Type.TOOL_RESULT, "of b", {"id": "2"}))
    assert kinds(transcript.tail(run)) == ["started", "tool", "tool", "result", "result"]


def test_long_text_is_cut_at_a_lines_end_but_not_within_code(run):
    line = "x" * 99 + "\n"
    say(run, *(Draft(Type.MESSAGE, line) for _ in range(100)))
    say(run, Draft(Type.MESSAGE, "```\n"), *(Draft(Type.MESSAGE, line) for _ in range(100)))
    say(run, Draft(Type.MESSAGE, "```\n"), *(Draft(Type.MESSAGE, line) for _ in range(10)))
    blocks = transcript.behind(run, 0).blocks
    assert all(len(block.text) >= transcript.BLOCK_CHARS for block in blocks[1:-1])
    assert all(block.text.count("```") % 2 == 0 for block in blocks)
    assert all(block.text.endswith("\n") for block in blocks[1:])


@pytest.mark.parametrize("size", [3, 40, 700, 31_000])
@pytest.mark.parametrize("end", ["", "\n"])
def test_reading_on_from_the_last_block_comes_to_the_end_without_gap_or_repeat(run, size, end):
    number = min(2_000, 400_000 // size)
    said = [f"{piece:06}".ljust(size, ".")[-size:] + end for piece in range(number)]
    for start in range(0, number, 500):
        say(run, *(Draft(Type.MESSAGE, piece) for piece in said[start : start + 500]))
    shown: list[transcript.Block] = []
    while not shown or shown[-1].last < number + 1:
        part = transcript.behind(run, shown[-1].first - 1 if shown else 0)
        assert not shown or part.last > shown[-1].last
        shown = [block for block in shown if block.first < part.first] + part.blocks
    assert "".join(block.text for block in shown[1:]) == "".join(said)


def test_going_back_from_the_tail_comes_to_the_beginning_without_gap_or_repeat(run):
    said = [f"[{piece}] {'.' * 60}\n" for piece in range(3_000)]
    for start in range(0, 3_000, 500):
        say(run, *(Draft(Type.MESSAGE, piece) for piece in said[start : start + 500]))
    parts = [transcript.tail(run)]
    while parts[0].earlier_upto:
        assert sum(len(block.text) for block in parts[0].blocks) <= transcript.TAIL_CHARS
        parts.insert(0, transcript.tail(run, upto=parts[0].earlier_upto))
    assert "".join(map(text, parts)) == "".join(said)


def test_a_large_result_is_cut_and_says_so(run):
    say(run, Draft(Type.TOOL_USE, "dump"), Draft(Type.TOOL_RESULT, "y" * 100_000))
    [tool] = transcript.tail(run).blocks  # its use goes with a result, however long that is
    assert tool.is_cut
    assert len(tool.result) == transcript.SHOWN_CHARS


def test_the_log_has_every_event_whole(run):
    say(run, *(Draft(Type.MESSAGE, f"piece {number}\n") for number in range(250)))
    say(run, Draft(Type.TOOL_RESULT, "z" * 100_000, {"id": "1"}))
    pieces, after = [], 0
    while (piece := transcript.piece_of_log(run.pk, after))[0]:
        pieces.append(piece[0])
        after = piece[1]
    log = "".join(pieces)
    assert len(pieces) == 3
    assert re.findall(r"^#(\d+) ", log, re.MULTILINE) == [str(number) for number in range(1, 253)]
    assert "z" * 100_000 in log


# ---------------------------------------------------------------- hostile text
@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '<img src=x onerror="alert(1)">',
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](data:text/html,alert)",
        "[x](vbscript:a)",
        "[x](file:///etc/passwd)",
        "[x](/logout)",
        "[x](//evil.example)",
        "<javascript:alert(1)>",
        "[x]: javascript:alert(1)\n\n[x]",
        "![x](javascript:alert(1))",
        '[x](https://a.example "onmouseover=alert(1)")',
        "[x](https://a.example/\"onmouseover='alert(1)')",
        "<a href='https://a.example' onclick='alert(1)'>x</a>",
        "<!-- --><svg onload=alert(1)>",
        "```\n</pre><script>alert(1)</script>\n```",
        "|a|\n|:-:|\n|<script>|",
    ],
)
def test_no_markup_of_others_comes_through(hostile):
    html = rendered(hostile)
    tags = re.findall(r"<[^>]*>", html)
    assert not re.search(r"<(script|img|svg|iframe|style)|\son\w+=|\sstyle=", " ".join(tags), re.IGNORECASE)
    for address in re.findall(r'href="([^"]*)"', html):
        assert address.startswith(("http://", "https://", "mailto:"))


def test_a_link_says_where_it_leads_and_takes_nothing_along():
    html = rendered("[your bank](https://evil.example/bank) <https://other.example> [m](mailto:a@b.example)")
    assert html.count('rel="noopener noreferrer nofollow ugc" target="_blank"') == 3
    assert "your bank</a>" in html
    for host in ("evil.example", "other.example", "a@b.example"):
        assert f'<span class="host">({host})</span>' in html


def test_an_image_is_a_link_and_is_never_loaded():
    html = rendered(
        "![a cat](https://track.example/cat.png) [![in a link](https://a.example/b.png)](https://c.example)"
    )
    assert "<img" not in html
    assert "Image: a cat</a>" in html
    assert "[Image: in a link]" in html


@pytest.mark.parametrize("text", ["\u202egnp.exe", "&#x202E;gnp.exe", "\u2066a\u2069", "&#8238;"])
def test_what_turns_the_direction_of_text_is_made_visible(text):
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", rendered(text))
    assert "[U+20" in rendered(text)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;https://evil.example\x07link\x1b]8;;\x07", "link"),
        ("\x1b]0;title\x1b\\after", "after"),
        ("\x1bPq#0\x1b\\sixel", "sixel"),
        ("\x1bcreset", "reset"),
        ("a\x08\x08b", "a\u2408\u2408b"),
        ("10%\r20%\r\n30%", "10%\n20%\n30%"),
        ("\x9b31m", "[U+009B]31m"),
        ("\x00", "\u2400"),
    ],
)
def test_terminal_escapes_are_taken_out_and_other_controls_are_visible(written, shown):
    assert plain(written) == shown


def test_a_mention_is_marked_only_where_it_is_asked_for():
    assert '<span class="mention">@ada-b</span>' in rendered("Hi @ada-b, `@code` a@b.example", mentions=True)
    assert rendered("Hi @ada-b, `@code` a@b.example", mentions=True).count("mention") == 1
    assert "mention" not in rendered("@ada")


def test_text_of_nothing_but_beginnings_is_shown_as_it_stands():
    assert rendered("[" * 50_000).startswith('<pre class="code"')
    assert rendered("x" * 150_000).startswith('<pre class="code"')


def test_a_difference_has_its_context_and_counts():
    old = "".join(f"line {number}\n" for number in range(40))
    found = difference(old, old.replace("line 20\n", "line twenty\nand more\n"))
    assert (found.added, found.removed, found.is_cut) == (2, 1, False)
    assert ("-", "line 20") in found.lines
    assert ("+", "and more") in found.lines
    assert len(found.lines) == 9
    assert difference("same", "same").lines == []
    assert difference("a\n" * 10_000, "b").is_cut
