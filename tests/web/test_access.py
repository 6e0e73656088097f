"""Who sees the page, and which parts of it."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from mission_control.actions import projects, tasks
from mission_control.models import Run
from tests import make
from tests.web.conftest import SEES, client_of
from tests.web.pages import html, text_of

pytestmark = pytest.mark.usefixtures("database")

DECIDES = ("change_task", "change_project", "add_run")


def paths(task) -> list[str]:
    run = make.run(task)
    own = [f"/tasks/{task.pk}{end}" for end in ("", "/parts", "/menu")]
    return [
        "/",
        "/board/changed",
        "/board/more/inbox",
        f"/runs/{run.pk}/output",
        *own,
    ]


def test_every_page_and_fragment_needs_a_login():
    for path in paths(make.task()):
        answer = Client().get(path)
        assert (answer.status_code, answer["Location"]) == (302, f"/login?next={path}"), path


def test_every_page_and_fragment_needs_the_permission_to_see_tasks():
    client = client_of(make.user(may=["mission_control.view_run"]))
    for path in paths(make.task()):
        assert client.get(path).status_code == 403, path


@pytest.mark.parametrize("action", ["run", "stop"])
def test_actions_need_a_login_and_refuse_get(action, browser):
    path = f"/tasks/{make.task().pk}/{action}"
    assert Client().post(path).status_code == 302
    assert browser.get(path).status_code == 405


def test_actions_refuse_a_post_without_the_forgery_token():
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(make.user())
    task, agent = make.task(), make.agent()
    answer = strict.post(f"/tasks/{task.pk}/run", {"agent": agent.pk})
    assert answer.status_code == 403
    assert "This page is out of date" in answer.content.decode()
    assert not Run.objects.exists()


def test_a_user_who_may_only_look_gets_no_buttons_and_no_action():
    client = client_of(make.user(may=SEES))
    task, agent = make.task(), make.agent()
    idle = client.get("/").content.decode()
    assert client.post(f"/tasks/{task.pk}/run", {"agent": agent.pk}).status_code == 403
    make.run(task, agent)
    active = client.get("/").content.decode()
    assert client.post(f"/tasks/{task.pk}/stop").status_code == 403
    assert "data-acts" not in idle + active
    assert Run.objects.active().count() == 1


def test_the_buttons_follow_the_permissions():
    runs = client_of(make.user(may=[*SEES, "mission_control.add_run"]))
    stops = client_of(make.user(may=[*SEES, "mission_control.change_run"]))
    agent = make.agent()
    task = make.task(assignees=[agent])
    menu = f"/tasks/{task.pk}/menu"
    assert 'value="in_progress"' in runs.get(menu).content.decode()
    assert "<form" not in stops.get(menu).content.decode()
    run = make.run(task, agent)
    stop = f'action="/runs/{run.pk}/stop"'
    assert stop not in runs.get("/").content.decode() + runs.get(menu).content.decode()
    assert stop in stops.get("/").content.decode()
    assert stop in stops.get(menu).content.decode()


def test_a_user_who_may_not_read_runs_sees_neither_output_nor_error_nor_result():
    client = client_of(make.user(may=["mission_control.view_task"]))
    task = make.task()
    run = make.run(task)
    Run.objects.filter(pk=run.pk).update(error="the secret reason")
    page = client.get(f"/tasks/{task.pk}").content.decode()
    assert 'id="stream"' not in page
    assert "the secret reason" not in page
    assert "Can view run" in page
    assert client.get(f"/runs/{run.pk}/output").status_code == 403


def test_login_leads_to_the_board_and_logout_back():
    get_user_model().objects.create_user("mara", password="a long enough one")
    client = Client()
    wrong = client.post("/login", {"username": "mara", "password": "wrong"})
    assert "correct username and password" in wrong.content.decode()
    right = client.post("/login", {"username": "mara", "password": "a long enough one"})
    assert (right.status_code, right["Location"]) == (302, "/")
    assert client.post("/logout")["Location"] == "/login"
    assert client.get("/").status_code == 302


def test_who_may_decide_nothing_is_not_asked_to():
    looks = [*SEES, "mission_control.view_project"]
    client = client_of(make.user(may=looks))
    project = projects.change(make.project(), status="awaiting_approval")
    task = tasks.set_status(make.task(), "review")
    for path in ("/overview", f"/projects/{project.pk}", f"/tasks/{task.pk}"):
        said = text_of(html(client, path))
        for words in (
            "Needs your attention",
            "Review the requirements",
            "edit anything",
            "Approve it",
            "Your turn",
        ):
            assert words not in said, (path, words)
    decides = client_of(make.user(may=[*looks, *(f"mission_control.{what}" for what in DECIDES)]))
    assert "Needs your attention" in text_of(html(decides, "/overview"))
    assert "Plan ready for approval" in text_of(html(decides, f"/projects/{project.pk}"))
    assert "Approve it" in text_of(html(decides, f"/tasks/{task.pk}"))


def test_a_form_sent_after_the_session_ended_leads_to_the_login_and_back_to_the_page_of_the_form():
    client, task = Client(), make.task()
    page = f"/tasks/{task.pk}?run=1"
    for referer, back in [
        (f"http://testserver{page}", f"/tasks/{task.pk}%3Frun%3D1"),
        ("http://elsewhere.example/trap", "/"),
        ("", "/"),
    ]:
        answer = client.post(f"/tasks/{task.pk}/messages", {"content": "Hello"}, headers={"Referer": referer})
        assert (answer.status_code, answer["Location"]) == (302, f"/login?next={back}"), referer


def test_a_script_is_told_that_the_session_ended():
    for path in ("/", "/tasks/new", "/search?q=a", "/account"):
        answer = Client().get(path, headers={"X-Fragment": "1"})
        assert (answer.status_code, answer.content) == (401, b"You are logged out."), path
