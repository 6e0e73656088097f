"""What people attach to a task and to a message: text files, and existing documents."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from mission_control.actions import comments
from mission_control.models import Deliverable, Message
from tests import make
from tests.web.conftest import SEES, client_of
from tests.web.pages import html, page_of, part, post, text_of

pytestmark = pytest.mark.usefixtures("database")

NOTES = [*SEES, *(f"mission_control.{name}" for name in ("view_message", "add_message", "view_deliverable"))]


def file(name: str = "notes.md", content: bytes = b"# Notes\r\nTwo lines") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def test_files_become_documents_of_the_task(browser):
    task = make.task(project=make.project())
    answer = post(browser, task, "attach", attached=[file(), file("data.csv", b"\xef\xbb\xbfa,b")])
    assert answer.status_code == 200
    assert "Attached: notes.md, data.csv" in answer.content.decode()
    notes, data = Deliverable.objects.order_by("created_at")
    assert (notes.title, notes.content, data.content) == ("notes.md", "# Notes\nTwo lines", "a,b")
    assert (notes.task, notes.project, notes.author_id, notes.version) == (task, task.project, "human", 1)
    assert "notes.md" in text_of(part(page_of(browser, task), "documents"))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (lambda: file("big.txt", b"x" * (5 * 2**20 + 1)), "big.txt is larger than 5 MB."),
        (lambda: file("picture.png", b"\x89PNG\r\n\x00"), "picture.png is not text."),
        (lambda: file("zeros.txt", b"a\x00b"), "zeros.txt is not text."),
        (lambda: file("empty.txt", b" "), "empty.txt is empty."),
        (lambda: [file(f"{number}.txt") for number in range(11)], "At most 10 files at once."),
        (list, "Choose a file or a document."),
    ],
)
def test_a_file_that_cannot_be_attached_says_why(browser, given, says):
    task = make.task()
    answer = post(browser, task, "attach", attached=given())
    assert answer.status_code == 400
    assert says in text_of(part(answer.content.decode(), "task-notice"))
    if says.startswith("Choose"):
        return
    answer = post(browser, task, "messages", content="See", attached=given())
    assert (answer.status_code, Message.objects.count(), Deliverable.objects.count()) == (400, 0, 0)


def test_a_hostile_name_is_a_name(browser):
    task = make.task()
    post(browser, task, "attach", attached=[file("../../<img src=x>\u202e.md")])
    page = page_of(browser, task)
    assert "/" not in Deliverable.objects.get().title
    assert "<img" not in page
    assert "\u202e" not in page


def test_a_document_that_there_is_is_attached(browser):
    project = make.project()
    task, other = make.task(project=project), make.task(project=project, title="Had it")
    document = make.document(title="Report", task=other)
    make.document(title="Elsewhere", project=make.project())
    choices = part(page_of(browser, task), "documents")
    assert "Report (currently in Had it)" in text_of(choices)
    assert "Elsewhere" not in choices
    assert post(browser, task, "attach", document=document.pk).status_code == 200
    document.refresh_from_db()
    assert document.task == task
    refused = post(browser, task, "attach", document="00000000-0000-4000-8000-000000000000")
    assert "no longer exists" in refused.content.decode()


def test_a_message_carries_files_and_a_document(browser):
    task = make.task()
    document = make.document(title="Report", task=task)
    post(browser, task, "messages", content="See these", attached=[file()], document=document.pk)
    message = Message.objects.get()
    notes = Deliverable.objects.get(title="notes.md")
    assert message.attachment_ids == [str(notes.pk), str(document.pk)]
    shown = part(page_of(browser, task), f"message-{message.pk}")
    assert f'href="/documents/{notes.pk}"' in shown
    document.delete()
    assert "Deleted document" in part(page_of(browser, task), f"message-{message.pk}")


def test_what_an_agent_attached_by_the_api_is_shown(browser):
    task, document = make.task(), make.document(title="By an agent")
    comments.post(task, "Done", from_agent=make.agent(), attachments=[document])
    assert "By an agent" in text_of(html(browser, f"/tasks/{task.pk}"))


def test_who_may_not_add_documents_attaches_none(browser):
    task, document = make.task(), make.document()
    client = client_of(make.user(may=NOTES))
    page = page_of(client, task)
    assert 'type="file"' not in page
    assert '/attach"' not in page
    assert post(client, task, "attach", attached=[file()]).status_code == 403
    assert post(client, task, "attach", document=document.pk).status_code == 403
    assert post(client, task, "messages", content="See", attached=[file()]).status_code == 403
    assert (Deliverable.objects.count(), Message.objects.count()) == (1, 0)
    assert post(client, task, "messages", content="See").status_code == 200
