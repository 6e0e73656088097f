"""Run and Stop on the page: their effect, and the messages of refusals."""

import pytest

from agents.models import Agent
from mission_control.models import Run, Task
from tests import make

pytestmark = pytest.mark.usefixtures("database")

SCRIPT = {"HTTP_X_FRAGMENT": "task"}


def press_run(browser, task, agent, *, script: bool = True, **fields):
    body = {"agent": getattr(agent, "pk", agent), **fields}
    return browser.post(f"/tasks/{task.pk}/run", body, **(SCRIPT if script else {}))


def test_run_admits_and_answers_the_script_with_the_parts_of_the_page(browser):
    task = make.task()
    answer = press_run(browser, task, make.agent(name="Scout"))
    run = Run.objects.get()
    assert answer.status_code == 200
    assert (run.task, run.status) == (task, Run.Status.QUEUED)
    assert run.requested_by is not None
    parts = answer.content.decode()
    assert 'data-status="in_progress"' in parts
    assert 'data-said="Scout started."' in parts
    assert f'action="/tasks/{task.pk}/stop"' in parts


def test_run_answers_a_plain_form_with_the_task_and_a_message(browser):
    task = make.task()
    answer = press_run(browser, task, make.agent(name="Scout"), script=False)
    assert (answer.status_code, answer["Location"]) == (302, f"/tasks/{task.pk}")
    assert "Scout started." in browser.get(answer["Location"]).content.decode()


def test_a_second_run_of_a_task_is_refused(browser):
    task, agent = make.task(), make.agent()
    make.run(task, agent)
    answer = press_run(browser, task, agent)
    assert answer.status_code == 409
    assert "Task is already running" in answer.content.decode()


def test_a_refusal_reads_the_same_without_the_script(browser):
    task, agent = make.task(), make.agent()
    make.run(task, agent)
    answer = press_run(browser, task, agent, script=False)
    assert answer.status_code == 302
    assert "Task is already running" in browser.get(answer["Location"]).content.decode()


@pytest.mark.parametrize("agent", ["", "nonsense", "00000000-0000-4000-8000-000000000000", "\x00"])
def test_run_with_no_agent_or_an_unknown_one_is_refused_in_place(browser, agent):
    answer = press_run(browser, make.task(), agent)
    assert answer.status_code == 400
    assert 'class="notice"' in answer.content.decode()
    assert not Run.objects.exists()


def test_an_agent_deleted_meanwhile_is_named_as_the_reason(browser):
    task, agent = make.task(), make.agent()
    assert str(agent.pk) in browser.get(f"/tasks/{task.pk}").content.decode()
    Agent.objects.all().delete()
    assert "no longer exists" in press_run(browser, task, agent).content.decode()


def test_stop_ends_a_queued_run_at_once(browser):
    task = make.task()
    make.run(task)
    answer = browser.post(f"/tasks/{task.pk}/stop", **SCRIPT)
    assert answer.status_code == 200
    assert Run.objects.get().status == Run.Status.STOPPED
    assert f'action="/tasks/{task.pk}/run"' in answer.content.decode()


def test_stop_of_what_does_not_run_is_refused_in_place(browser):
    answer = browser.post(f"/tasks/{make.task().pk}/stop", **SCRIPT)
    assert answer.status_code == 404
    assert "Task is not currently running" in answer.content.decode()


def test_actions_on_a_task_that_is_gone_are_not_found(browser):
    task, agent = make.task(), make.agent()
    Task.objects.all().delete()
    assert press_run(browser, task, agent).status_code == 404
    assert browser.post(f"/tasks/{task.pk}/stop", **SCRIPT).status_code == 404
