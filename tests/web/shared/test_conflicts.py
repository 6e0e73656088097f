"""Two people edit the same text at once: the second sees what the first wrote, and decides."""

import html as markup
import re

import pytest

from mission_control.actions import agents, documents, projects, tasks
from mission_control.models import Activity, Deliverable, Project, Task
from tests import make
from tests.web.conftest import client_of
from tests.web.pages import SCRIPT, html, text_of

pytestmark = pytest.mark.usefixtures("database")


def basis_in(page: str) -> str:
    return markup.unescape(re.search(r'name="basis" value="([^"]*)"', page)[1])


@pytest.fixture
def ada():
    return client_of(make.user(username="ada"))


def test_the_second_save_of_a_tasks_text_shows_the_first(browser, ada):
    task = make.task(title="Old", description="one\ntwo")
    path = f"/tasks/{task.pk}/edit"
    seen = basis_in(html(browser, f"/tasks/{task.pk}"))
    ada.post(path, {"description": "one\ntwo\nadas", "basis": basis_in(html(ada, f"/tasks/{task.pk}"))})
    mine = {"title": "Old", "description": "one\ntwo\nmine", "basis": seen}
    for sent in ({}, SCRIPT):
        answer = browser.post(path, mine, **sent)
        page = answer.content.decode()
        assert answer.status_code == 409
        assert "ada edited this while you were editing" in text_of(page)
        assert "<del>adas</del>" in page
        assert "<ins>mine</ins>" in page
        assert "mine</textarea>" in page
    assert Task.objects.get().description == "one\ntwo\nadas"
    assert browser.post(path, {**mine, "basis": basis_in(page)}, **SCRIPT).status_code == 200
    assert Task.objects.get().description == "one\ntwo\nmine"


def test_what_each_changed_apart_is_kept_from_both(browser):
    task = make.task(title="Old", description="Old")
    seen = basis_in(html(browser, f"/tasks/{task.pk}"))
    tasks.change(task, description="By another")
    answer = browser.post(
        f"/tasks/{task.pk}/edit", {"title": "Mine", "description": "Old", "basis": seen}, **SCRIPT
    )
    assert answer.status_code == 200
    task.refresh_from_db()
    assert (task.title, task.description) == ("Mine", "By another")


def test_the_same_words_and_other_changes_are_no_conflict(browser):
    task = make.task(title="Old", description="Old")
    seen = basis_in(html(browser, f"/tasks/{task.pk}"))
    tasks.change(task, description="The same", priority="urgent", status="review")
    given = {"title": "Old", "description": "The same", "basis": seen}
    assert browser.post(f"/tasks/{task.pk}/edit", given, **SCRIPT).status_code == 200
    assert Task.objects.get().priority == "urgent"


def test_who_sends_no_basis_overwrites_as_before(browser):
    task = make.task(title="Old")
    tasks.change(task, title="By another")
    for basis in ({}, {"basis": "nonsense"}, {"basis": '{"of": 3}'}, {"basis": '{"at": [], "of": {}}'}):
        assert browser.post(f"/tasks/{task.pk}/edit", {"title": "Mine", **basis}, **SCRIPT).status_code == 200
    assert Task.objects.get().title == "Mine"


def test_an_agents_form_meets_a_conflict(browser, ada):
    agent = make.agent(role="Old", backend_options={"chunks": 5, "chunk_bytes": 50})
    path = f"/agents/{agent.pk}"
    seen = basis_in(html(browser, path))
    fields = {"name": agent.name, "level": agent.level, "backend": "demo", "options-chunks": "5"}
    given = {**fields, "role": "Mine", "description": "", "basis": seen}
    agents.change(agent, role="Theirs")
    answer = browser.post(path, given)
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Someone edited this while you were editing" in text_of(page)
    assert "<del>Theirs</del>" in page
    assert 'value="Mine"' in page
    assert browser.post(path, {**given, "basis": basis_in(page)}).status_code == 302
    agent.refresh_from_db()
    assert agent.role == "Mine"


def test_a_projects_texts_meet_a_conflict(browser, ada):
    project = make.project(title="Old")
    path = f"/projects/{project.pk}/edit"
    seen = basis_in(html(browser, path))
    assert (
        ada.post(path, {"title": "By Ada", "description": "", "basis": basis_in(html(ada, path))}).status_code
        == 302
    )
    answer = browser.post(path, {"title": "Mine", "description": "And more", "basis": seen})
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "ada edited this while you were editing" in text_of(page)
    assert Project.objects.get().title == "By Ada"
    given = {"title": "Mine", "description": "And more", "basis": basis_in(page)}
    assert browser.post(path, given).status_code == 302
    assert Project.objects.get().title == "Mine"


def test_a_projects_team_is_compared_by_who_is_in_it(browser):
    first, second = make.agent(name="First"), make.agent(name="Second")
    project = make.project(title="Old", team_agents=[first])
    path = f"/projects/{project.pk}/edit"
    seen = basis_in(html(browser, path))
    projects.change(project, team_agents=[first, second])
    given = {"title": "New", "description": "", "team_agents": [first.pk], "basis": seen}
    assert browser.post(path, given).status_code == 302
    assert set(project.team_agents.all()) == {first, second}
    answer = browser.post(path, {**given, "title": "New", "team_agents": []})
    assert answer.status_code == 409
    assert "Second" in text_of(answer.content.decode())


def test_requirements_meet_a_conflict_also_where_there_were_none(browser, ada):
    project = make.project()
    path = f"/projects/{project.pk}/requirements"
    seen = basis_in(html(browser, path))
    assert ada.post(path, {"content": "Adas", "basis": basis_in(html(ada, path))}).status_code == 302
    answer = browser.post(path, {"content": "Mine", "basis": seen})
    page = answer.content.decode()
    assert (answer.status_code, "ada edited this while you were editing" in text_of(page)) == (409, True)
    documents.change(Deliverable.objects.get(), content="Adas again")
    assert browser.post(path, {"content": "Mine", "basis": basis_in(page)}).status_code == 409
    seen = basis_in(html(browser, path))
    assert browser.post(path, {"content": "Mine", "basis": seen}).status_code == 302
    assert Deliverable.objects.get().content == "Mine"
    assert Deliverable.objects.get().version == 3


def test_the_feed_names_who_acted(browser, ada):
    task = make.task()
    assert "person" not in Activity.objects.first().metadata
    ada.post(f"/tasks/{task.pk}/edit", {"title": "By Ada"}, **SCRIPT)
    assert Activity.objects.first().metadata["person"] == "ada"
    token = make.token(make.user(username="bob"))
    header = {"HTTP_AUTHORIZATION": f"Bearer {token}"}
    path = f"/api/mission-control/tasks/{task.pk}"
    assert browser.patch(path, {"title": "By Bob"}, "application/json", **header).status_code == 200
    assert Activity.objects.first().metadata["person"] == "bob"
    tasks.change(task, title="By nobody")
    assert "person" not in Activity.objects.first().metadata


# ---------------------------------------------------------------- a task of a plan
@pytest.fixture
def planned():
    return make.task(title="Old", project=make.project(), description="one\ntwo")


def plan_path(task: Task) -> str:
    return f"/projects/{task.project_id}/plan?task={task.pk}"


def plan_fields(task: Task, **more) -> dict:
    given = {"title": "Old", "description": "one\ntwo", "task_type": "agent", "priority": task.priority}
    return {**given, "assignee": "", "blocked_by": [], **more}


def test_a_task_of_a_plan_meets_a_conflict_and_is_overwritten_knowingly(browser, ada, planned):
    path = plan_path(planned)
    seen = basis_in(html(browser, path))
    theirs = plan_fields(planned, description="one\nadas", basis=basis_in(html(ada, path)))
    assert ada.post(path, theirs).status_code == 302
    mine = plan_fields(planned, description="one\nmine", basis=seen)
    answer = browser.post(path, mine)
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "ada edited this while you were editing" in text_of(page)
    assert "<del>adas</del>" in page
    assert "<ins>mine</ins>" in page
    assert f'href="{path}">Discard mine' in page
    assert Task.objects.get().description == "one\nadas"
    assert browser.post(path, {**mine, "basis": basis_in(page)}).status_code == 302
    assert Task.objects.get().description == "one\nmine"


def test_what_each_changed_apart_of_a_task_of_a_plan_is_kept_from_both(browser, planned):
    agent, first = make.agent(), make.task(title="First", project=planned.project)
    seen = basis_in(html(browser, plan_path(planned)))
    tasks.change(planned, description="By another", assignees=[agent], blocked_by=[first])
    answer = browser.post(plan_path(planned), plan_fields(planned, title="Mine", basis=seen))
    assert answer.status_code == 302
    found = Task.objects.get(pk=planned.pk)
    assert (found.title, found.description) == ("Mine", "By another")
    assert (found.assignee_ids, found.blocker_ids) == ([agent.pk], [first.pk])


def test_who_does_a_task_of_a_plan_and_what_it_waits_for_are_compared(browser, ada, planned):
    one, other = make.agent(name="One"), make.agent(name="Other")
    first = make.task(title="First", project=planned.project)
    path = plan_path(planned)
    seen = basis_in(html(browser, path))
    theirs = plan_fields(planned, assignee=one.pk, basis=basis_in(html(ada, path)))
    assert ada.post(path, theirs).status_code == 302
    answer = browser.post(path, plan_fields(planned, assignee=other.pk, blocked_by=[first.pk], basis=seen))
    said = text_of(answer.content.decode())
    assert answer.status_code == 409
    assert "ada edited this while you were editing" in said
    assert "Blocked by +" not in said  # a field that only one of them changed is no conflict
    assert Task.objects.get(pk=planned.pk).assignee_ids == [one.pk]
    mine = plan_fields(planned, assignee=other.pk, blocked_by=[first.pk], basis=basis_in(answer.content.decode()))
    assert browser.post(path, mine).status_code == 302
    found = Task.objects.get(pk=planned.pk)
    assert (found.assignee_ids, found.blocker_ids) == ([other.pk], [first.pk])


def test_a_task_of_a_plan_that_another_removed_meanwhile_is_offered_as_a_new_one(browser, planned):
    path = plan_path(planned)
    seen = basis_in(html(browser, path))
    tasks.delete(planned)
    answer = browser.post(path, plan_fields(planned, description="mine", basis=seen))
    page = answer.content.decode()
    assert answer.status_code == 400
    assert "was removed while you were editing" in text_of(page)
    assert "mine</textarea>" in page
    assert not Task.objects.exists()
    new = re.search(r'<form method="post" action="(\?task=[^"#]*)', page)[1]
    given = plan_fields(planned, description="mine", basis="")
    assert browser.post(f"/projects/{planned.project_id}/plan{new}", given).status_code == 302
    assert Task.objects.get().description == "mine"
