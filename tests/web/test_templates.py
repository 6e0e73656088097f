"""Rules about templates that can be checked without rendering them."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.template.base import Lexer, TokenType

from mission_control.actions.permissions import NEEDED

FOLDER = Path(settings.BASE_DIR) / "templates"
NAMES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.html"))
VOID = {"br", "circle", "hr", "img", "input", "line", "link", "meta", "path", "polyline", "rect", "use"}
BLOCKS = re.compile("(end)?(if|for|with|block)|else|elif|empty")
OPENED_BELOW = {"rest_framework/login.html"}  # it opens the body that the extended template closes


class Nesting(HTMLParser):
    """Parses elements and Django's block tags (as comments); each must end inside the one in which it began."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(f"<{tag}>")

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        self.end(f"<{tag}>", f"</{tag}>")

    def handle_comment(self, data):
        if data in ("if", "for", "with", "block"):
            self.open.append(data)
        elif data.startswith("end"):
            self.end(data.removeprefix("end"), data)
        else:  # else, elif, empty
            assert self.open and not self.open[-1].startswith("<"), (
                f"{data} within {self.open[-1:]}{self.getpos()}"
            )

    def end(self, what, by):
        assert self.open and self.open[-1] == what, f"{by} closes {self.open[-1:]}, line {self.getpos()[0]}"
        self.open.pop()


def structure(source: str) -> str:
    """Return a template's elements, and the block tags between them as comments, but not those inside a tag."""
    kept, is_comment = "", False
    for token in Lexer(source).tokenize():
        word = token.contents.split()[0] if token.contents.split() else ""
        if token.token_type is TokenType.BLOCK and word in ("comment", "endcomment"):
            is_comment = word == "comment"
        elif is_comment:
            continue
        elif token.token_type is TokenType.TEXT:
            kept += token.contents
        elif token.token_type is TokenType.BLOCK and BLOCKS.fullmatch(word) and kept.rfind("<") <= kept.rfind(">"):
            kept += f"<!--{word}-->"
    return kept


@pytest.mark.parametrize("name", sorted(set(NAMES) - OPENED_BELOW))
def test_every_element_and_block_of_a_template_ends_within_what_it_began_in(name):
    nesting = Nesting()
    nesting.feed(structure((FOLDER / name).read_text()))
    assert nesting.open == []


def test_an_element_that_is_not_closed_is_found():
    for wrong in ("<div>{% if a %}</div>{% endif %}", "<p><b>x</p>", "{% if a %}<p>{% else %}</p>{% endif %}"):
        with pytest.raises(AssertionError):
            Nesting().feed(structure(wrong))


def test_every_template_that_another_names_exists_and_every_icon_is_in_the_sprite():
    drawn = set(re.findall(r'<symbol id="i-([\w-]+)"', (FOLDER / "shared/_sprite.html").read_text()))
    for name in NAMES:
        source = (FOLDER / name).read_text()
        named = set(re.findall(r'\{% (?:include|extends) "([^"]+)"', source))
        assert {one for one in named if one not in NAMES} <= {
            "admin/base.html",
            "admin/change_form.html",
            "admin/color_theme_toggle.html",
            "rest_framework/base.html",
        }, name
        assert set(re.findall(r'\{% icon "([\w-]+)"(?: "[\w -]+")? %\}', source)) <= drawn, name


# ---------------------------------------------------------------- permissions
def test_templates_and_pages_ask_for_permissions_by_names_that_exist():
    pages = (Path(settings.BASE_DIR) / "mission_control/web").rglob("*.py")
    sources = [path.read_text() for path in [*FOLDER.rglob("*.html"), *pages]]
    names = {name for source in sources for name in re.findall(r"\b(?:may|Rights\(\S+\))\.([a-z_]+)", source)}
    assert names and names <= NEEDED.keys()
    assert not any("perms." in source for source in sources)
