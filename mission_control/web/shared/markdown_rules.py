"""Our additions to the Markdown parser: a deadline, and right alignment of number columns."""

import re
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

NUMBER = re.compile(r"[-+−~≈<>]{0,2} ?[$€£¥]?\d[\d,.'  ]{0,30}(?: ?(?:%|[a-zA-Zµ/]{1,4}))?")
ALIGNED = {"text-align:right": "end", "text-align:center": "mid"}


class TooLong(Exception):
    """Parsing the text takes longer than allowed."""


# ---------------------------------------------------------------- the deadline
def add_deadline(markdown: MarkdownIt) -> None:
    """Make each step of the parser check the time. It raises TooLong after `ends_at` of the environment.

    Some texts, such as a heading of 50,000 lines, take seconds. The rules come before all others, also among the
    rules that may end a paragraph, so the parser calls them for every line and every part of a line.
    """
    ends = ["paragraph", "reference", "blockquote", "list"]
    first_block, first_inline = markdown.block.ruler.__rules__[0].name, markdown.inline.ruler.__rules__[0].name
    markdown.block.ruler.before(first_block, "deadline", _check_block, {"alt": ends})
    markdown.inline.ruler.before(first_inline, "deadline", _check_inline)
    markdown.core.ruler.push("deadline", _check_core)


def _check(env: Any) -> None:
    if time.thread_time() > env.get("ends_at", float("inf")):
        raise TooLong


def _check_block(state: StateBlock, *_: Any) -> bool:
    _check(state.env)
    return False


def _check_inline(state: StateInline, *_: Any) -> bool:
    _check(state.env)
    return False


def _check_core(state: StateCore) -> None:
    _check(state.env)


# ---------------------------------------------------------------- tables
def align_numbers(markdown: MarkdownIt) -> None:
    """Store each cell's alignment in its `meta`: the table's own, else "end" for columns of numbers."""
    markdown.core.ruler.after("inline", "align_numbers", _align)


def _align(state: StateCore) -> None:
    begin = 0
    for index, token in enumerate(state.tokens):
        if token.type == "table_open":
            begin = index
        elif token.type == "table_close":
            _align_table(state.tokens[begin:index])


def _align_table(tokens: Sequence[Token]) -> None:
    rows: list[list[tuple[Token, str]]] = []
    for token, content in pairwise(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("th_open", "td_open"):
            rows[-1].append((token, content.content.strip().strip("*")))
    for column in zip(*rows, strict=False):
        cells = [text for _, text in column[1:] if text not in ("", "-", "–", "—")]
        is_numeric = bool(cells) and all(map(NUMBER.fullmatch, cells))
        for token, _ in column:
            align = ALIGNED.get(str(token.attrGet("style") or ""))
            token.meta["align"] = align or ("end" if is_numeric and not token.attrGet("style") else "")
