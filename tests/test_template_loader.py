"""Templates are written for readers; the loader removes indentation and line ends, and nothing visible."""

from pathlib import Path

import pytest
from django.conf import settings
from django.template import Context, Engine

from pocketpaw_site.templates import dense

FOLDER = Path(settings.BASE_DIR) / "templates"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("<p>\n    One\n    two\n</p>\n", "<p>\nOne\ntwo\n</p>\n"),
        (
            "{% if a %}\n  <b>x</b>\n{% else %}\n  y\n{% endif %}\nz\n",
            "{% if a %}<b>x</b>\n{% else %}y\n{% endif %}z\n",
        ),
        ("{% if a %}x{% endif %}\ny\n", "{% if a %}x{% endif %}\ny\n"),
        ("{% url 'a' as b %}\nx\n", "{% url 'a' as b %}x\n"),
        ("{% icon x %}{% url 'a' as b %}\nx\n", "{% icon x %}{% url 'a' as b %}\nx\n"),
        ("{% comment %}a, b{% endcomment %}\n<p>\n", "{% comment %}a, b{% endcomment %}<p>\n"),
        ("  <pre>\n  {% if a %}\n  b</pre>\n  <p>", "<pre>\n  {% if a %}\n  b</pre>\n<p>"),
        ("<textarea>\n  a\n</textarea>", "<textarea>\n  a\n</textarea>"),
    ],
)
def test_only_indentation_and_the_ends_of_lines_of_silent_tags_are_left_out(written, kept):
    assert dense(written) == kept


def test_a_template_shows_the_same_words_with_the_same_gaps():
    source = "a\n  {% for x in all %}\n    {% if x %}\n      <i>{{ x }}</i>,\n    {% endif %}\n  {% endfor %}\n  z"
    written, kept = (
        " ".join(Engine().from_string(text).render(Context({"all": "xy"})).split())
        for text in (source, dense(source))
    )
    assert kept == written == "a <i>x</i>, <i>y</i>, z"


def test_our_templates_come_through_it():
    template = Engine.get_default().get_template("search/_keys.html")
    assert "\n  <" in (FOLDER / "search/_keys.html").read_text()
    assert "\n  <" not in template.source
