"""The thread of a task as a conversation: messages, runs, answers and questions, and the composer below."""

import re

import pytest
from django.db.models import Q

from mission_control.actions import comments, conversation
from mission_control.models import Message, Question, Run, Task
from mission_control.runs import questions
from mission_control.runs.lifecycle import finish, stop
from tests import make
from tests.web.conftest import client_of
from tests.web.pages import finished_run, page_of, part, post, started_run, text_of

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def ada():
    return make.agent(name="Ada")


def thread_of(browser, task) -> str:
    return text_of(part(page_of(browser, task), "thread"))


def test_the_thread_reads_as_a_conversation_with_the_runs_folded(browser, ada):
    task, user = make.task(), make.user(username="grace")
    comments.post(task, "Write it, please.", by=user)
    finished_run(task, ada, said="The first text.")
    run = conversation.follow_up(Task.objects.get(pk=task.pk), ada, "Shorter!", by=user)
    stop(run)

    thread = thread_of(browser, task)

    words = ["grace", "Write it, please.", "Completed", "attempt 1", "The first text.", "grace", "Shorter!",
             "Started attempt 2 of Ada", "Stopped", "attempt 2"]  # fmt: skip
    at = 0
    for word in words:
        at = thread.index(word, at)
    assert thread.count("The first text.") == 1


def test_a_folded_run_opens_to_its_output(browser, ada):
    run = finished_run(make.task(), ada, said="**Bold** words")
    page = page_of(browser, run.task)
    assert f'data-load="/runs/{run.pk}/steps?known={run.last_seq}"' in page
    steps = browser.get(f"/runs/{run.pk}/steps").content.decode()
    assert "<strong>Bold</strong> words" in steps and "data-loaded" in steps
    assert client_of(make.user(may=["mission_control.view_task"])).get(f"/runs/{run.pk}/steps").status_code == 403


def test_an_answer_shows_images_of_the_working_folder_and_links_to_others(browser, ada):
    task = make.task(project=make.project())
    run = finished_run(task, ada, said="![Chart](chart.png) ![Far](https://example.org/far.png)")
    answer = part(page_of(browser, task), f"answer-{run.pk}")
    source = f"/api/mission-control/projects/{task.project_id}/files/content?path=chart.png"
    assert f'<img src="{source}" alt="Chart"' in answer and answer.count("<img") == 1
    assert '<a href="https://example.org/far.png"' in answer


def test_a_long_answer_is_cut_and_leads_to_its_document(browser, ada):
    run = finished_run(make.task(), ada, said="word " * 2_000)
    answer = part(page_of(browser, run.task), f"answer-{run.pk}")
    assert len(answer) < 5_000
    assert "Read the whole answer" in answer and "?version=1" in answer


def test_answers_and_runs_are_hidden_from_those_who_may_not_see_them(ada):
    task = make.task()
    comments.post(task, "Hello.", by=make.user())
    finished_run(task, ada, said="Secret words.")
    reader = client_of(make.user(may=["mission_control.view_task", "mission_control.view_message"]))
    thread = thread_of(reader, task)
    assert "Hello." in thread and "Secret words." not in thread and "attempt 1" not in thread


def test_a_question_is_in_the_thread_once_it_is_closed(browser, ada):
    run = started_run(make.task(), ada)
    asked = Question.objects.create(run=run, task=run.task, text="Which colour?", expires_at=run.queued_at)
    assert "Which colour?" not in thread_of(browser, run.task)
    questions.answer(asked.pk, text="Blue", by=make.user(username="grace"))
    thread = thread_of(browser, run.task)
    assert "Which colour?" in thread and "grace answered: Blue" in thread


def test_send_and_run_starts_a_run_with_the_message(browser, ada):
    task = make.task()
    finished_run(task, ada, said="One.")
    answer = post(browser, task, "messages", content="Now in French.\r\nPlease.", then="run")
    assert answer.status_code == 200 and 'data-said="Sent. Ada started."' in answer.content.decode()
    run = Run.objects.active().get()
    assert (run.agent, run.follow_up) == (ada, "Now in French.\nPlease.")
    assert Message.objects.get().run == run


def test_send_and_run_starts_the_agent_that_is_mentioned(browser, ada):
    bob, task = make.agent(name="Bob Lee"), make.task()
    finished_run(task, ada)
    post(browser, task, "messages", content="@grace thinks @bob-lee should check it, @ada", then="run")
    assert Run.objects.active().get().agent == bob


def test_a_message_to_a_task_that_runs_reaches_its_agent(browser, ada):
    task = make.task()
    run = started_run(task, ada)
    said = post(browser, task, "messages", content="Also this.").content.decode()
    message = Message.objects.get()
    assert message.run == run and message.delivery and "Ada" in re.search(r'data-said="([^"]*)"', said)[1]


def test_a_message_that_mentions_only_another_agent_stays_in_the_thread(browser, ada):
    bob, task = make.agent(name="Bob"), make.task()
    started_run(task, ada)
    post(browser, task, "messages", content="@bob have a look")
    assert Message.objects.get().delivery == "" and bob.notifications.count() == 1


def test_send_and_run_while_a_run_is_active_sends_the_message_to_it_and_says_so(browser, ada):
    task = make.task()
    started_run(task, ada)
    answer = post(browser, task, "messages", content="Me too.", then="run")
    assert answer.status_code == 200
    assert "Somebody else started a run just before." in answer.content.decode()
    assert Message.objects.get().delivery and Run.objects.count() == 1


def test_send_and_run_waits_for_a_slot(browser, ada):
    make.limit(1)
    make.run()
    answer = post(browser, make.task(), "messages", content="Later.", then="run")
    assert 'data-said="Sent and queued."' in answer.content.decode()
    assert Run.objects.get(status="waiting").follow_up == "Later."


def test_send_and_run_of_a_blocked_task_keeps_nothing(browser, ada):
    task = make.task(blocked_by=[make.task()])
    answer = post(browser, task, "messages", content="Now.", then="run")
    assert answer.status_code == 409 and not Message.objects.exists() and not Run.objects.exists()


def test_the_composer_says_before_how_a_message_reaches_an_agent(browser, ada):
    task = make.task()
    assert "Send and run starts a new run of Ada." in page_of(browser, task)
    run = started_run(task, ada)
    page = page_of(browser, task)
    assert re.search(r"Reaches Ada (live|at its next turn)\.", page)
    assert "disabled" in re.search(r'<button[^>]*id="composer-run"[^>]*>', page)[0]
    finish(run.pk, Run.Status.COMPLETED, guard=Q())
    assert "disabled" not in re.search(r'<button[^>]*id="composer-run"[^>]*>', page_of(browser, task))[0]


def test_who_may_not_start_agents_is_not_offered_to_and_cannot(ada):
    may = ["mission_control.view_task", "mission_control.view_message", "mission_control.add_message"]
    browser, task = client_of(make.user(may=may)), make.task()
    assert "composer-run" not in page_of(browser, task)
    assert post(browser, task, "messages", content="Go.", then="run").status_code == 403
    assert not Run.objects.exists() and not Message.objects.exists()
