"""Sockets get each question when it is asked and when it ends, and pages the number of those that wait."""

from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.db.models import Q
from django.utils import timezone

from mission_control.models import Question
from mission_control.runs import questions
from mission_control.runs.lifecycle import claim, finish
from tests import make
from tests.api.conftest import Api
from tests.realtime.test_changed_objects import listening, told
from tests.realtime.test_page_consumer import next_data, page

pytestmark = pytest.mark.django_db(transaction=True)

ASKED, ANSWERED = "mc_question_created", "mc_question_answered"


def of_questions(frames):
    return [(name, data) for name, data in frames if name in (ASKED, ANSWERED)]


async def test_question_and_its_answer_are_sent_as_the_api_shows_them():
    api = await sync_to_async(Api)()
    async with listening() as client:
        question = await sync_to_async(make.question)()
        [(name, data)] = of_questions(await told(client))
        shown = (await sync_to_async(api.get)(f"questions/{question.pk}")).json()["question"]
        assert (name, data["question"]) == (ASKED, shown)
        assert data["timestamp"]

        await sync_to_async(questions.answer)(question.pk, text="This one")
        [(name, data)] = of_questions(await told(client))
        shown = (await sync_to_async(api.get)(f"questions/{question.pk}")).json()["question"]
        assert (name, data["question"]) == (ANSWERED, shown)
        assert data["question"]["answer"] == {"text": "This one"}


@pytest.mark.parametrize("end", ["expired", "cancelled"])
async def test_end_of_a_question_without_an_answer_is_sent_too(end):
    question = await sync_to_async(make.question)()

    def happen() -> None:
        if end == "expired":
            Question.objects.update(expires_at=timezone.now() - timedelta(seconds=1), default="This one")
            questions.expire_due()
        else:
            assert finish(question.run_id, "stopped", guard=Q())

    async with listening() as client:
        await sync_to_async(happen)()
        ended = [data["question"] for name, data in of_questions(await told(client)) if name == ANSWERED]
        assert str(question.pk) in [one["id"] for one in ended]
        assert {one["status"] for one in ended} == {end}


@pytest.mark.parametrize("which", ["runs", "tasks", "projects"])
async def test_sockets_of_its_run_task_and_project_get_the_question_and_others_do_not(which):
    project = await sync_to_async(make.project)()
    runs = [await sync_to_async(make.run)(await sync_to_async(make.task)(project=project)) for _ in range(2)]
    other, run = [await sync_to_async(claim)(run.pk, worker="test") for run in runs]
    assert run is not None and other is not None
    key = {"runs": run.pk, "tasks": run.task_id, "projects": project.pk}[which]
    async with listening(f"/ws/mission-control/{which}/{key}") as client:
        await sync_to_async(make.question)(run=other)
        question = await sync_to_async(make.question)(run=run)
        first = await next_data(client, ASKED)
        if which == "projects":
            first = await next_data(client, ASKED)
        assert first["question"]["id"] == str(question.pk)


async def test_pocketpaws_socket_gets_no_question():
    async with listening("/ws") as client:
        question = await sync_to_async(make.question)()
        await sync_to_async(questions.answer)(question.pk, text="This one")
        frames = await told(client)
        assert not of_questions(frames)
        assert any(name == "mc_activity_created" for name, _ in frames)


async def test_user_who_may_not_see_runs_gets_no_question():
    """A socket needs that permission itself; one that is taken away closes it, so none is left to hide it from."""
    from pocketpaw_site.asgi import application

    token = await sync_to_async(lambda: make.token(make.user(may=["mission_control.view_task"])))()
    headers = [(b"authorization", f"Bearer {token}".encode())]
    client = WebsocketCommunicator(application, "/ws/mission-control", headers=headers)
    await client.connect(timeout=60)
    assert (await client.receive_output(timeout=60))["code"] == 4403


async def test_page_gets_the_new_number_of_what_waits_for_people():
    async with page() as (client, _):
        assert (await next_data(client, "page_notifications"))["count"] == 0
        question = await sync_to_async(make.question)()
        assert (await next_data(client, "page_notifications"))["count"] == 1
        await sync_to_async(questions.answer)(question.pk, text="This one")
        assert (await next_data(client, "page_notifications"))["count"] == 0
