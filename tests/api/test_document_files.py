"""A text file posted as multipart becomes a document."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from mission_control.models import Deliverable, Task
from tests import make
from tests.api.answers import assert_names
from tests.api.conftest import BASE, Api


def posted(api: Api, path: str = "documents", **fields):
    return api.client.post(f"{BASE}{path}", fields)


def a_file(content: bytes, name: str = "notes.md") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def test_a_file_is_the_content_and_its_name_the_title(api):
    answer = posted(api, file=a_file("\ufeffÜber\r\nSchwalben".encode()))
    assert answer.status_code == 200, answer.json()
    shown = answer.json()["document"]
    assert (shown["title"], shown["content"], shown["version"]) == ("notes.md", "Über\nSchwalben", 1)


def test_fields_beside_the_file_are_used(api):
    task = make.task(project=make.project())
    fields = {"title": "Swifts", "type": "research", "task_id": str(task.pk), "tags": ["a", "b"]}
    answer = posted(api, "deliverables", file=a_file(b"x"), **fields)
    assert answer.status_code == 200, answer.json()
    document = Deliverable.objects.get()
    assert (document.title, document.type, document.task, document.tags) == (
        "Swifts",
        "research",
        task,
        ["a", "b"],
    )
    assert document.project == task.project


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"file": a_file(b"\x89PNG\r\n\x1a\n\x00\xff", "a.png")}, "file", "a.png is not text"),
        ({"file": a_file("ü".encode("latin-1"))}, "file", "is not text"),
        ({"file": a_file(b" \n")}, "file", "is empty"),
        ({"file": a_file(b"x" * (5 * 2**20 + 1))}, "file", "larger than 5 MB"),
        ({"file": [a_file(b"x"), a_file(b"y")]}, "file", "one file"),
        ({"file": a_file(b"x"), "content": "y"}, "file", "no content field"),
        ({"other": a_file(b"x"), "title": "t"}, "file", "as `file`"),
        ({"file": "notes.md", "title": "t"}, "file", "exactly one file"),  # curl -F file=notes.md, without the @
        ({"file": a_file(b"x"), "type": "poem"}, "type", "Must be one of"),
    ],
    ids=range(9),
)
def test_what_makes_no_document_is_refused_and_says_why(api, fields, field, told):
    answer = posted(api, **fields)
    assert_names(answer, field)
    assert told in answer.json()["detail"]
    assert not Deliverable.objects.exists()


def test_a_file_is_refused_where_none_is_taken_instead_of_dropped(api):
    answer = posted(api, "tasks", title="t", file=a_file(b"x"))
    assert_names(answer, "file")
    assert not Task.objects.exists()
