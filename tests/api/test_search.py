"""Search finds text in any case and in any Unicode form, in both databases."""

import pytest
from django.db import connection
from django.test import Client

from mission_control.models import Task
from mission_control.models.search import fold, has_text
from tests import make

ALIKE = [
    ("ÜBUNG", "übung"),
    ("Übung", "u\u0308bung"),  # the umlaut as two characters
    ("U\u0308BUNG", "übung"),
    ("Привет", "ПРИВЕТ"),
    ("ΣΊΣΥΦΟΣ", "σίσυφος"),  # sigma has a second form at the end of a word
    ("Straße", "STRASSE"),
    ("STRASSE", "straße"),
    ("ＦＵＬＬ", "full"),
    ("ﬁnal", "FINAL"),
    ("Ångström", "a\u030angstro\u0308m"),
    ("日本語", "日本"),
    ("τῷ λόγῳ", "τῷ λόγῳ"),  # PostgreSQL does not expand the iota as Python does
    ("ᏣᎳᎩ", "ᏣᎳᎩ"),  # Cherokee, which Unicode folds to capitals
    ("50% off_now", "% OFF_N"),
    ("back\\slash", "K\\S"),
]


@pytest.mark.parametrize(("stored", "searched"), ALIKE)
def test_a_search_ignores_case_and_spelling(db, stored, searched):
    for text in (f"x {stored} y", f"{'é' * 3} {stored}"):
        task = make.task(title="Title", description=text)
        assert has_text_finds(searched, "description") == [task]
        assert has_text_finds(searched, "title") == []
        task.delete()
    assert fold(searched) in fold(stored)


@pytest.mark.parametrize(
    ("stored", "searched"),
    [("abc", "a_c"), ("abc", "a%"), ("übung", "ubung"), ("x", "\\"), ("a", "ä"), ("ä", "a")],
)
def test_a_search_finds_nothing_else(db, stored, searched):
    make.task(title=stored)
    assert has_text_finds(searched, "title") == []


def has_text_finds(words: str, *fields: str) -> list[Task]:
    return list(Task.objects.filter(has_text(words, *fields)))


def test_every_search_of_pages_api_and_admin_ignores_case_beyond_ascii(api):
    task = make.task(title="ÜBUNG Привет")
    made = {
        "task": task,
        "project": make.project(title="ÜBUNG", description="x"),
        "agent": make.agent(name="ÜBUNG"),
        "deliverable": make.document(title="ÜBUNG", task=task),
        "run": make.run(make.task(title="ÜBUNG"), make.agent()),
        "user": make.user(username="ÜBUNG"),
    }
    assert [one["id"] for one in api.get("tasks", search="übung привет").json()["tasks"]] == [str(task.pk)]

    browser = Client()
    browser.force_login(make.user())
    for path, kind in (
        ("/?q=übung", "task"),
        ("/search?q=übung", "task"),
        ("/search?q=übung", "project"),
        ("/search?q=übung", "agent"),
        ("/search?q=übung", "deliverable"),
        ("/documents?q=übung", "deliverable"),
        ("/agents?q=übung", "agent"),
        ("/admin/agents/agent/?q=übung", "agent"),
        ("/admin/auth/user/?q=übung", "user"),
        *((f"/admin/mission_control/{kind}/?q=übung", kind) for kind in ("task", "project", "deliverable", "run")),
    ):
        shown = f"/{made[kind].pk}/change/" if "/admin/" in path else str(made[kind].pk)
        assert shown in browser.get(path).content.decode(), path


@pytest.mark.embedded
def test_text_of_ascii_alone_is_compared_by_the_database(db):
    """Calling a Python function for each of a hundred thousand rows would take a second."""
    for number in range(50):
        make.task(title=f"Task {number}", description="Plain")
    called = []
    connection.connection.create_function("mc_has_text", 2, lambda text, words: called.append(text) or False)
    try:
        assert len(has_text_finds("TASK 1", "title", "description")) == 11
        assert has_text_finds("übung", "title", "description") == []
    finally:
        connection.close()
    assert called == []
