"""Follow-ups over the API: `POST tasks/{id}/run` with `follow_up` continues the conversation about a task."""

import pytest

from agents.rules import DESCRIPTION_CHARS
from mission_control.models import Run, Task
from mission_control.runs.lifecycle import stop
from tests import make
from tests.api.conftest import Api

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def agent():
    script = [{"say": "First."}, {"sleep": 0}, {"say": "You said: {message}"}]
    return make.agent(name="Ada", backend_options={"script": script})


@pytest.fixture
def task():
    return make.task()


def test_a_done_task_is_continued_and_the_run_says_with_what_and_after_which(api, task, agent):
    first = make.run(task, agent)
    stop(first)
    document = make.document()
    body = {"agent_id": str(agent.pk), "follow_up": "Go on.", "attachment_ids": [str(document.pk)]}

    answer = api.post(f"tasks/{task.pk}/run", body).json()

    assert (answer["status"], answer["message"]) == ("started", "Task execution started")
    assert api.get(f"tasks/{task.pk}").json()["task"]["status"] == "in_progress"
    run = api.get(f"runs/{answer['run_id']}").json()["run"]
    assert (run["follow_up"], run["previous_run_id"]) == ("Go on.", str(first.pk))
    [message] = api.get(f"tasks/{task.pk}/messages").json()["messages"]
    assert (message["content"], message["author"]) == ("Go on.", api.user.username)
    assert message["attachment_ids"] == [str(document.pk)]
    log = api.get(f"runs/{run['id']}/events").json()["events"]
    assert [(event["type"], event["content"]) for event in log[:2]] == [("status", "started"), ("input", "Go on.")]


def test_a_plain_run_continues_nothing(api, task, agent):
    run = api.post(f"tasks/{task.pk}/run", {"agent_id": str(agent.pk)}).json()["run_id"]
    shown = api.get(f"runs/{run}").json()["run"]
    assert (shown["follow_up"], shown["previous_run_id"]) == (None, None)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"follow_up": ""}, "follow_up"),
        ({"follow_up": " \n\u200b"}, "follow_up"),
        ({"follow_up": "x" * (DESCRIPTION_CHARS + 1)}, "follow_up"),
        ({"follow_up": 5}, "follow_up"),
        ({"follow_up": None}, "follow_up"),
        ({"follow_up": "nul \x00"}, "follow_up"),
        ({"follow_up": "Go on.", "attachment_ids": [NOBODY]}, "attachment_ids"),
        ({"attachment_ids": []}, None),
    ],
    ids=["empty", "blank", "too long", "a number", "null", "nul", "an unknown document", "nothing attached"],
)
def test_a_follow_up_is_checked_as_a_message_is(api, task, agent, more, field):
    answer = api.post(f"tasks/{task.pk}/run", {"agent_id": str(agent.pk), **more})
    assert answer.status_code == (400 if field else 200)
    assert field is None or field in answer.json()
    assert Run.objects.exists() is (field is None) and not task.messages.exists()


def test_attachments_need_a_follow_up(api, task, agent):
    body = {"agent_id": str(agent.pk), "attachment_ids": [str(make.document().pk)]}
    answer = api.post(f"tasks/{task.pk}/run", body)
    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        "Attachment ids: Only a follow-up can have attachments.",
    )


def test_a_follow_up_to_a_task_that_runs_is_409_and_its_message_is_kept(api, task, agent):
    run = make.run(task, agent)
    answer = api.post(f"tasks/{task.pk}/run", {"agent_id": str(agent.pk), "follow_up": "Also this."})
    assert answer.status_code == 409
    body = answer.json()
    message = task.messages.get()
    assert (body["detail"], body["message_id"]) == ("Task is already running", str(message.pk))
    assert message.content == "Also this." and Run.objects.get() == run


def test_a_follow_up_without_a_free_slot_is_429_and_leaves_nothing_or_waits(api, task, agent):
    make.limit(1)
    make.run()
    body = {"agent_id": str(agent.pk), "follow_up": "Go on."}
    assert api.post(f"tasks/{task.pk}/run", body).status_code == 429
    assert not task.messages.exists()
    assert api.post(f"tasks/{task.pk}/run", {**body, "when_full": "queue"}).json()["status"] == "waiting"
    assert task.messages.get().run == Run.objects.get(task=task)


@pytest.mark.parametrize("missing", ["mission_control.add_run", "mission_control.add_message"])
def test_a_follow_up_needs_the_rights_to_run_and_to_write(task, agent, missing):
    rights = {"mission_control.add_run", "mission_control.add_message", "mission_control.view_task"}
    api = Api(make.user(may=sorted(rights - {missing})))
    answer = api.post(f"tasks/{task.pk}/run", {"agent_id": str(agent.pk), "follow_up": "Go on."})
    assert answer.status_code == 403
    assert not Run.objects.exists() and not task.messages.exists()


def test_who_may_not_read_documents_attaches_none_to_a_follow_up(task, agent):
    may = ["mission_control.add_run", "mission_control.add_message", "mission_control.view_task"]
    body = {"agent_id": str(agent.pk), "follow_up": "Read it.", "attachment_ids": [str(make.document().pk)]}
    assert Api(make.user(may=may)).post(f"tasks/{task.pk}/run", body).status_code == 403
    assert not Run.objects.exists() and not task.messages.exists()


def test_dependents_that_have_not_started_wait_again_and_those_that_are_done_stay_done(api, task, agent):
    done, later = make.task(blocked_by=[task]), make.task(blocked_by=[task])
    Task.objects.filter(pk__in=[task.pk, done.pk]).update(status=Task.Status.DONE)
    api.post(f"tasks/{task.pk}/run", {"agent_id": str(agent.pk), "follow_up": "Change it."})
    assert Task.objects.get(pk=done.pk).status == Task.Status.DONE
    answer = api.post(f"tasks/{later.pk}/run", {"agent_id": str(agent.pk)})
    assert answer.json()["blocked_by"] == [str(task.pk)]
