"""The pages that edit and delete documents, and the standup."""

import re

import pytest
from django.utils import timezone

from mission_control.actions import documents
from mission_control.models import Deliverable
from tests import make
from tests.web.conftest import SEES, client_of
from tests.web.pages import finished_run, html, text_of
from tests.web.shared.test_conflicts import basis_in

pytestmark = pytest.mark.usefixtures("database")
READS = [*SEES, "mission_control.view_deliverable"]


def test_a_document_is_edited_and_its_new_text_is_a_version(browser):
    document = make.document(title="Old", content="one", task=make.task(title="Its task"))
    path = f"/documents/{document.pk}/edit"
    page = html(browser, path)
    assert path in html(browser, f"/documents/{document.pk}")
    given = {"title": "New", "type": "research", "tags": "a, b", "content": "one\r\ntwo", "basis": basis_in(page)}
    assert browser.post(path, given)["Location"] == f"/documents/{document.pk}"
    document.refresh_from_db()
    assert (document.title, document.type, document.tags) == ("New", "research", ["a", "b"])
    assert (document.content, document.version) == ("one\ntwo", 2)


def test_a_document_that_another_changed_meanwhile_is_not_overwritten(browser):
    document = make.document(title="Report", content="one")
    path = f"/documents/{document.pk}/edit"
    given = {"title": "Report", "type": document.type, "tags": "", "basis": basis_in(html(browser, path))}
    documents.change(document, content="theirs")
    answer = browser.post(path, {**given, "content": "mine"})
    assert answer.status_code == 409
    assert "<del>theirs</del>" in answer.content.decode()
    assert browser.post(path, {**given, "title": "Renamed", "content": "one"}).status_code == 302
    document.refresh_from_db()
    assert (document.title, document.content) == ("Renamed", "theirs")


@pytest.mark.parametrize(
    ("field", "given"), [("title", ""), ("title", "x" * 251), ("type", "x"), ("tags", "x" * 51)]
)
def test_a_document_that_cannot_be_saved_says_why(browser, field, given):
    document = make.document(title="Old")
    fields = {"title": "New", "type": "draft", "tags": "", "content": "kept", field: given}
    answer = browser.post(f"/documents/{document.pk}/edit", fields)
    assert answer.status_code == 400
    assert "kept" in answer.content.decode()
    assert Deliverable.objects.get().title == "Old"


def test_a_document_is_deleted_after_a_question(browser):
    task = make.task()
    document = make.document(title="Goes", task=task)
    assert "Goes" in html(browser, f"/documents/{document.pk}/delete")
    assert browser.post(f"/documents/{document.pk}/delete")["Location"] == f"/tasks/{task.pk}"
    assert not Deliverable.objects.exists()
    loose = make.document(project=make.project())
    assert browser.post(f"/documents/{loose.pk}/delete")["Location"] == f"/projects/{loose.project_id}"
    assert browser.post(f"/documents/{make.document().pk}/delete")["Location"] == "/documents"


def test_who_may_only_read_neither_edits_nor_deletes():
    client, document = client_of(make.user(may=READS)), make.document()
    page = html(client, f"/documents/{document.pk}")
    for action in ("edit", "delete"):
        assert f"/documents/{document.pk}/{action}" not in page
        assert client.post(f"/documents/{document.pk}/{action}").status_code == 403


def test_the_standup_is_a_page(browser):
    finished_run(make.task(title="Completed lately"))
    assert "/overview/standup" in html(browser, "/overview")
    page = text_of(html(browser, "/overview/standup"))
    assert f"Daily Standup - {timezone.now():%b %d, %Y}" in page
    assert "Completed lately" in page


def test_the_feed_says_who_did_it_where_the_sentence_does_not(browser):
    client = client_of(make.user(username="ada"))
    task = make.task(title="Seen")
    client.post(f"/tasks/{task.pk}/edit", {"title": "Changed"})
    client.post(f"/tasks/{task.pk}/messages", {"content": "Hello"})
    feed = text_of(html(browser, "/activity"))
    assert "Task updated: Changed by ada" in feed
    assert "ada commented on Changed" in feed
    assert "ada commented on Changed by ada" not in feed


# ---------------------------------------------------------------- the list of all documents
def test_all_documents_are_listed_newest_first_and_narrowed(browser):
    task = make.task(title="Its task")
    make.document(title="Notes on swifts", type="research", tags=["birds"], task=task)
    make.document(title="The plan", type="protocol", content="swifts too")
    page = html(browser, "/documents")
    assert page.index("The plan") < page.index("Notes on swifts")
    assert f'href="/tasks/{task.pk}"' in page
    narrowed = {"q=swifts": 1, "type=protocol": 1, "tag=birds": 1, "q=swifts&type=protocol": 0, "type=x": 2}
    for query, number in narrowed.items():
        shown = html(browser, f"/documents?{query}")
        assert len(re.findall(r'<th scope="row"', shown)) == number, query
    assert "No matching documents" in html(browser, "/documents?q=nothing-is-called-so")


def test_a_long_list_of_documents_has_pages_that_keep_what_was_asked(browser, django_assert_max_num_queries):
    for number in range(51):
        make.document(title=f"Note {number}")
    with django_assert_max_num_queries(25):
        page = html(browser, "/documents?q=Note")
    assert re.search(r'href="\?q=Note&amp;page=2"', page)
    assert "Note 0<" in html(browser, "/documents?q=Note&page=2")


def test_a_document_is_written_on_a_page(browser):
    assert "/documents/new" in html(browser, "/documents")
    empty = browser.post("/documents/new", {"title": "", "type": "draft", "content": "kept"})
    assert empty.status_code == 400
    assert "kept</textarea>" in empty.content.decode()
    given = {"title": "House style", "type": "template", "tags": "style", "content": "Short\r\nwords"}
    answer = browser.post("/documents/new", given)
    [made] = Deliverable.objects.all()
    assert answer["Location"] == f"/documents/{made.pk}"
    assert (made.title, made.type, made.tags, made.content) == (
        "House style",
        "template",
        ["style"],
        "Short\nwords",
    )
    assert (made.author_id, made.version) == ("human", 1)


def test_the_palette_finds_documents_and_leads_to_all(browser):
    made = make.document(title="Notes on swifts")
    assert f'href="/documents/{made.pk}"' in html(browser, "/search?q=swifts")
    assert 'href="/documents"' in html(browser, "/search?q=docum")


def test_who_may_only_read_documents_writes_none():
    reader = client_of(make.user(may=READS))
    assert "/documents/new" not in html(reader, "/documents")
    assert reader.get("/documents/new").status_code == 403
    blind = client_of(make.user(may=SEES))
    assert blind.get("/documents").status_code == 403
    assert "Documents" not in html(blind, "/search?q=docum")
