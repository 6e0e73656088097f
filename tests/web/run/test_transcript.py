"""How a run's log is divided into the parts that a page shows, and how hostile text is made harmless."""

import json
import re
import time
from html import unescape
from pathlib import Path

import pytest
from django.db.models import Q

from mission_control.models import Run, RunEvent
from mission_control.runs.events import Draft
from mission_control.runs.lifecycle import finish
from mission_control.terminal import rendered_text
from mission_control.web.run import transcript
from mission_control.web.shared.differences import difference
from mission_control.web.shared.highlight import LEXERS, LONGEST_CODE, highlighted
from mission_control.web.shared.markdown import all_rendered, rendered
from mission_control.web.shared.one_line import last_line, words_of
from mission_control.web.shared.plain_text import plain
from tests import make
from tests.web.pages import say, started_run

Type = RunEvent.Type
# Shared with tests/web/js/one_line.test.js: the browser takes the same marks away.
ONE_LINE = json.loads(Path(__file__).with_name("one_line.json").read_text())


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
    [tool] = transcript.tail(run).blocks  # a tool use is shown with its result, however long that is
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
        ("a\x08\x08b", "b"),
        ("10%\r20%\r\n30%", "20%\n30%"),
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


# ---------------------------------------------------------------- Markdown
def test_code_has_its_language_a_button_to_copy_it_and_colours_as_classes():
    html = rendered('```python\ndef f():\n    return "<b>"  # why\n```')
    assert "<span>python</span>" in html
    assert "data-copy" in html
    assert '<span class="hk">def</span>' in html
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert re.sub(r"<[^>]*>", "", html).startswith("pythonCopydef f():")
    assert '<pre class="code" tabindex="0">x &lt; y' in rendered("```no-such-language\nx < y\n```")


def test_a_difference_has_its_lines_coloured_and_keeps_its_signs():
    html = rendered("```diff\n--- a\n+++ b\n-old <b>\n+new\n same\n```")
    assert "<del>-old &lt;b&gt;\n</del><ins>+new\n</ins> same" in html
    assert "--- a\n+++ b\n<del>" in html


def test_a_task_list_has_boxes_that_say_whether_it_is_done():
    html = rendered("- [x] one\n- [ ] two\n- [y] three")
    assert 'checked aria-label="Done"> one' in html
    assert 'disabled aria-label="Not done"> two' in html
    assert html.count("<input") == 2


def test_a_bare_address_is_a_link_and_says_where_it_leads_if_its_text_could_mislead():
    html = rendered("See https://example.org/a?b=1. ftp://a.example www.b.example c@d.example")
    assert html.count("<a ") == 1
    assert 'href="https://example.org/a?b=1" rel="noopener noreferrer nofollow ugc" target="_blank"' in html
    assert "host" not in html
    assert "(evil.example)" in rendered("https://bank.example@evil.example/")
    assert "<a" not in rendered("`https://a.example` javascript://a.example")


def test_columns_of_numbers_and_columns_that_say_so_are_aligned_by_class():
    html = rendered("|a|n|c|\n|-|-|:-:|\n|x|1.5|z|\n|y|**20 %**|-|")
    assert '<th class="end">n</th>' in html
    assert '<td class="end">1.5</td>' in html
    assert html.count('class="mid"') == 3
    assert "<td>x</td>" in html
    assert "style" not in html


def test_headings_of_the_three_highest_levels_differ():
    assert len(set(re.findall(r"<h3[^>]*>", rendered("# a\n## b\n### c\n#### d")))) == 3


# ---------------------------------------------------------------- limits
@pytest.mark.parametrize(
    "text",
    [
        "a\n" * 49_000 + "===",
        "|a|b|\n|-|-|\n" + "|1|2|\n" * 14_000,
        "".join("https://" + "-" * 290 + " " for _ in range(290)),
        "https://" + "a:" * 45_000 + "@b",
        ("```python\n" + "x = f(1, 'a')\n" * 20 + "```\n") * 300,
        "http:" * 20_000,
        ">" * 99_000,
    ],
)
def test_no_text_takes_more_than_a_part_of_a_second(text):
    before = time.thread_time()
    rendered(text)
    assert time.thread_time() - before < 1


def test_the_messages_of_a_page_have_a_limit_together():
    before = time.thread_time()
    assert len(all_rendered(["a\n" * 24_000 + "==="] * 30)) == 30
    assert time.thread_time() - before < 3


@pytest.mark.parametrize("name", sorted(set(LEXERS.values())))
@pytest.mark.parametrize("piece", ['"', "'\\", "(", "{", "<a ", "/*", "${", "`", "a.", "<!--", "\\\n", "a: "])
def test_no_code_takes_more_than_a_part_of_a_second(name, piece):
    before = time.thread_time()
    highlighted((piece * LONGEST_CODE)[:LONGEST_CODE], name, ends_at=before + 0.25)
    assert time.thread_time() - before < 1


@pytest.mark.parametrize("code", ["", "a", "\n\n", "x = 'a'\r\n\ty\n", "<&>\"'", "\ufeffx", "é\u2028z"])
@pytest.mark.parametrize("name", sorted(set(LEXERS.values())))
def test_colours_change_no_character_of_code(name, code):
    html = highlighted(code, name, ends_at=time.thread_time() + 1)
    assert unescape(re.sub(r"<[^>]*>", "", html)) == code


# ---------------------------------------------------------------- terminals
def test_a_progress_bar_shows_its_last_state():
    bar = "".join(f"\r{percent:3}%" for percent in range(101))
    assert plain(f"Loading{bar}\nDone\n") == "100%ing\nDone\n"
    assert plain(f"{bar}\x1b[K\n") == "100%\n"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("abc\rX", "Xbc"),
        ("long line\r\x1b[Kshort", "short"),
        ("gone\x1b[2K\rhere", "here"),
        ("50%\r", "50%"),
        ("ab\x1b[1Dc", "ac"),
        ("\x1b[3Gx", "  x"),
        ("\x1b[32mok\x1b[0m\r\n", "ok\n"),
    ],
)
def test_what_a_terminal_overwrites_is_not_shown(written, shown):
    assert rendered_text(written) == shown


@pytest.mark.parametrize(
    "text",
    ["x" * 50_000 + "\rx" * 25_000, "\x1b[9999Gx\n" * 10_000, "x\x1b[1K" * 15_000, "abc\x1b[2K" * 30_000],
)
def test_no_text_of_a_terminal_takes_long_or_grows_without_limit(text):
    before = time.thread_time()
    assert len(rendered_text(text)) < 12 * len(text)
    assert time.thread_time() - before < 1


# ---------------------------------------------------------------- the last line as plain text
@pytest.mark.parametrize(("line", "words"), ONE_LINE)
def test_one_line_of_markdown_is_plain_words(line, words):
    assert words_of(line) == words


def test_a_preview_is_the_last_line_that_says_something():
    assert last_line("# Done\n| Module | State |\n|---|:-:|\n| **a** | ~~b~~ |\n```\n---\n", 100) == "a, b"
    assert last_line("1%\r2%\r3%", 100) == "3%"


def test_text_of_nothing_but_beginnings_is_shown_as_it_stands():
    assert rendered("[" * 50_000).startswith('<pre class="code wraps"')
    assert rendered("x" * 150_000).startswith('<pre class="code wraps"')


def test_a_difference_has_its_context_and_counts():
    old = "".join(f"line {number}\n" for number in range(40))
    found = difference(old, old.replace("line 20\n", "line twenty\nand more\n"))
    assert (found.added, found.removed, found.is_cut) == (2, 1, False)
    assert ("-", "line 20") in found.lines
    assert ("+", "and more") in found.lines
    assert len(found.lines) == 9
    assert difference("same", "same").lines == []
    assert difference("a\n" * 10_000, "b").is_cut


def test_the_output_shows_images_of_the_working_folder_once_the_run_has_ended(run):
    say(run, Draft(Type.MESSAGE, "![Chart](chart.png) ![Far](https://example.org/far.png)"))
    assert "<img" not in transcript.markup(run, transcript.tail(run))

    finish(run.pk, Run.Status.COMPLETED, guard=Q())
    ended = Run.objects.get(pk=run.pk)
    shown = transcript.markup(ended, transcript.tail(ended))

    source = f"/api/mission-control/tasks/{run.task_id}/files/content?path=chart.png"
    assert f'<img src="{source}" alt="Chart"' in shown and shown.count("<img") == 1
