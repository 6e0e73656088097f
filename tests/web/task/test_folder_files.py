"""Files for the working folder that come with a message."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from mission_control.models import AttachedFile, Message
from mission_control.runs.attached_files import folder_of
from tests import make
from tests.api.answers import sent
from tests.web.conftest import SEES, client_of
from tests.web.pages import page_of, part, post, text_of

pytestmark = pytest.mark.usefixtures("database")

PNG = b"\x89PNG\r\n\x1a\n" + bytes(30)


def test_files_of_a_message_are_in_the_folder_and_in_the_thread(browser):
    task = make.task()
    given = [SimpleUploadedFile("plan.png", PNG), SimpleUploadedFile("a.pdf", b"%PDF-1.7")]
    assert post(browser, task, "messages", content="See the plan", folder_files=given).status_code == 200

    picture, paper = AttachedFile.objects.order_by("path")[::-1]
    assert (picture.path, paper.path) == ("inputs/plan.png", "inputs/a.pdf")
    assert Message.objects.get().attachment_ids == [str(picture.pk), str(paper.pk)]
    assert (folder_of(None, task.pk) / "inputs/plan.png").read_bytes() == PNG
    thread = part(page_of(browser, task), "thread")
    assert f'src="{picture.url}"' in thread and thread.count("<img") == 1
    assert "a.pdf" in text_of(thread)
    shown = browser.get(picture.url)
    assert (shown["Content-Type"], sent(shown)) == ("image/png", PNG)


def test_too_many_or_too_large_files_are_refused_with_the_message(browser, settings):
    settings.MAX_FILE_BYTES = 10
    task = make.task()
    answer = post(
        browser, task, "messages", content="See", folder_files=[SimpleUploadedFile("big.bin", b"x" * 11)]
    )
    assert answer.status_code == 413
    assert "big.bin is larger than" in text_of(part(answer.content.decode(), "task-notice"))
    many = [SimpleUploadedFile(f"{number}", b"x") for number in range(11)]
    assert post(browser, task, "messages", content="See", folder_files=many).status_code == 400
    assert not Message.objects.exists() and not AttachedFile.objects.exists()


def test_who_may_not_change_the_task_cannot_add_files():
    task = make.task()
    client = client_of(make.user(may=[*SEES, "mission_control.view_message", "mission_control.add_message"]))
    assert "files-folder" not in page_of(client, task)
    assert (
        post(client, task, "messages", content="x", folder_files=[SimpleUploadedFile("a", b"x")]).status_code
        == 403
    )
