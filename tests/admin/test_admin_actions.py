"""The actions of the admin's lists on tasks and projects: they call the API's actions and report each refusal."""

import re
import threading

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mission_control.actions import tasks
from mission_control.models import Activity, Project, Run, Task
from mission_control.runs import events
from mission_control.runs.events import Draft
from mission_control.runs.lifecycle import claim
from tests import make

SEES = ["mission_control.view_task", "mission_control.view_project", "mission_control.view_run"]
INLINE = re.compile(r"<script(?![^>]*\b(src=|type=\"application/json\"))|<style|\sstyle=|\son\w+=|javascript:")


def client_of(*more: str) -> Client:
    client = Client()
    client.force_login(make.user(may=[*SEES, *more], is_staff=True))
    return client


@pytest.fixture
def staff():
    client = Client()
    client.force_login(make.user())
    return client


def listed(model) -> str:
    return reverse(f"admin:mission_control_{model._meta.model_name}_changelist")


def act(client, action, *chosen, **fields):
    body = {"action": action, "_selected_action": [str(obj.pk) for obj in chosen], **fields}
    return client.post(listed(type(chosen[0])), body, follow=True)


def told(answer) -> dict[str, str]:
    """Return the messages that the admin shows, one for each object."""
    said = (str(message).split(": ", 1) for message in answer.context["messages"])
    return {one: rest[0] if rest else "" for one, *rest in said}


def status(obj) -> str:
    obj.refresh_from_db()
    return obj.status


# ---------------------------------------------------------------- run
def run_with(client, agent, *chosen, **fields):
    return act(client, "run_with_agent", *chosen, run="Run", agent=agent, when_full="reject", **fields)


def test_the_page_between_asks_for_an_agent_by_its_id_and_runs_nothing_yet(staff):
    task = make.task(title="Write <b>")
    agents = [make.agent(name=f"Agent {number}") for number in range(30)]
    page = act(staff, "run_with_agent", task).content.decode()
    assert f'value="{task.pk}"' in page and "Write &lt;b&gt;" in page
    assert 'name="agent"' in page and "related-lookup" in page
    assert not any(agent.name in page for agent in agents)
    assert not INLINE.search(page)
    assert not Run.objects.exists()


def test_tasks_are_run_with_the_agent_in_the_users_name_and_the_list_leads_to_the_run(staff):
    agent, one, two = make.agent(name="Ada"), make.task(), make.task()
    answer = run_with(staff, agent.pk, one, two)
    assert told(answer) == {one.title: "started with Ada", two.title: "started with Ada"}
    assert {run.task for run in Run.objects.all()} == {one, two}
    run = one.runs.get()
    assert (run.agent, run.requested_by, run.status) == (agent, answer.context["user"], "queued")
    assert reverse("admin:mission_control_run_change", args=[run.pk]) in answer.content.decode()


@pytest.mark.parametrize("agent", ["", "nobody", "00000000-0000-4000-8000-000000000000"])
def test_an_agent_that_does_not_exist_is_asked_for_again(staff, agent):
    answer = run_with(staff, agent, make.task())
    assert answer.context["form"].errors["agent"]
    assert not Run.objects.exists()


def test_each_refusal_to_run_is_told_of_its_task_and_the_others_run(staff):
    make.limit(2)
    busy, person = make.task(title="Busy"), make.task(title="Person", task_type="human")
    held = make.task(title="Held", blocked_by=[make.task()])
    free = make.task(title="Free")
    make.run(busy)
    answer = run_with(staff, make.agent(name="Ada").pk, busy, person, held, free)
    assert told(answer) == {
        "Busy": "Task is already running",
        "Person": "Agents do not run tasks of type human.",
        "Held": "Task is blocked by unfinished tasks",
        "Free": "started with Ada",
    }
    late = make.task(title="Late")
    assert told(run_with(staff, make.agent().pk, late)) == {"Late": "Maximum concurrent tasks (2) reached"}
    assert not late.runs.exists()
    assert Run.objects.count() == 2


def test_a_task_may_wait_for_a_slot_and_pass_by_its_blockers(staff):
    make.limit(1)
    make.run()
    held = make.task(blocked_by=[make.task()])
    fields = {"run": "Run", "agent": make.agent(name="Ada").pk, "when_full": "queue", "ignore_dependencies": "on"}
    answer = act(staff, "run_with_agent", held, **fields)
    assert told(answer) == {held.title: "queued for Ada"}
    assert held.runs.get().status == "waiting"


def test_more_than_a_request_can_answer_for_is_refused_as_a_whole(staff):
    rows = Task.objects.bulk_create(Task(title=f"T{number}") for number in range(101))
    everything = {"select_across": "1"}
    for action in ("run_with_agent", "skip_selected"):
        answer = act(staff, action, rows[0], **everything)
        assert list(told(answer)) == ["Select at most 100 at once. Nothing was changed."]
    assert Task.objects.filter(status="inbox").count() == 101


# ---------------------------------------------------------------- stop, skip
def test_what_waits_or_is_queued_is_stopped_and_what_does_not_run_is_told(staff):
    queued, idle = make.run().task, make.task()
    assert told(act(staff, "stop_selected", queued, idle)) == {
        queued.title: "stopped",
        idle.title: "Task is not currently running",
    }
    assert (queued.runs.get().status, status(queued)) == ("stopped", "blocked")


@pytest.mark.django_db(transaction=True)
def test_the_agent_of_a_running_task_is_told_at_once_and_the_list_waits_for_it(staff):
    """Inside a transaction its worker's pulse would not see the stop request."""
    make.limit(5)
    run = make.run()
    claimed = claim(run.pk, worker="elsewhere:1:x")
    seen = threading.Event()

    def agent() -> None:
        from django.db import connection
        from django.db.models import Q

        from mission_control.runs.lifecycle import finish

        while not seen.is_set():
            if Run.objects.filter(pk=run.pk, stop_requested_at__isnull=False).exists():
                seen.set()
                finish(run.pk, "stopped", guard=Q(claim_token=claimed.claim_token))
            seen.wait(0.02)
        connection.close()

    thread = threading.Thread(target=agent)
    thread.start()
    try:
        assert told(act(staff, "stop_selected", run.task)) == {run.task.title: "stopped"}
    finally:
        seen.set()
        thread.join()
    assert status(run) == "stopped"


def test_tasks_are_skipped_with_an_activity_and_those_in_progress_are_not(staff):
    one, busy = make.task(), make.run().task
    assert told(act(staff, "skip_selected", one, busy)) == {
        one.title: "skipped",
        busy.title: "Task is in progress and cannot be skipped",
    }
    assert (status(one), status(busy)) == ("skipped", "in_progress")
    assert Activity.objects.filter(task=one, message__endswith="to skipped").exists()


# ---------------------------------------------------------------- projects
@pytest.mark.parametrize(
    ("action", "before", "after", "said"),
    [
        ("approve_selected", "awaiting_approval", "executing", "approved"),
        ("pause_selected", "executing", "paused", "paused"),
        ("resume_selected", "paused", "executing", "resumed"),
    ],
)
def test_projects_are_steered_and_each_refusal_is_told(staff, action, before, after, said):
    ready, draft = make.project(status=before), make.project()
    for project in (ready, draft):
        make.task(project=project)
    assert told(act(staff, action, ready, draft)) == {
        ready.title: said,
        draft.title: f"Project status is not {before}",
    }
    assert (status(ready), status(draft)) == (after, "draft")


def test_projects_with_tasks_are_started(staff):
    project, empty = make.project(), make.project()
    make.task(project=project)
    assert told(act(staff, "start_selected", project, empty)) == {
        project.title: "started",
        empty.title: "Add a task before starting the project",
    }
    assert (status(project), status(empty)) == ("executing", "draft")


def test_a_project_that_is_paused_has_its_runs_stopped(staff):
    project = make.project(status="executing")
    run = make.run(make.task(project=project))
    act(staff, "pause_selected", project)
    assert (status(run), status(run.task)) == ("stopped", "assigned")


# ---------------------------------------------------------------- permissions
NEEDED = {
    (Task, "run_with_agent"): ["mission_control.add_run"],
    (Task, "stop_selected"): ["mission_control.change_run"],
    (Task, "skip_selected"): ["mission_control.change_task"],
    (Project, "approve_selected"): ["mission_control.change_project", "mission_control.add_run"],
    (Project, "start_selected"): ["mission_control.change_project", "mission_control.add_run"],
    (Project, "pause_selected"): ["mission_control.change_project", "mission_control.change_run"],
    (Project, "resume_selected"): ["mission_control.change_project", "mission_control.add_run"],
}


@pytest.mark.parametrize(("model", "action"), NEEDED)
def test_an_action_is_offered_to_those_who_may_and_to_no_one_else(model, action):
    make.task()
    make.project()
    needed = NEEDED[model, action]
    option = f'<option value="{action}">'
    assert option in client_of(*needed).get(listed(model)).content.decode()
    others = {codename for codenames in NEEDED.values() for codename in codenames} - {needed[-1]}
    assert option not in client_of(*others).get(listed(model)).content.decode()


def test_a_viewer_who_sends_an_action_all_the_same_changes_nothing():
    viewer, run, free = client_of(), make.run(), make.task()
    projects = {name: make.project(status=name) for name in ("awaiting_approval", "executing", "paused")}
    run_with(viewer, make.agent().pk, free)
    act(viewer, "stop_selected", run.task)
    act(viewer, "skip_selected", free)
    for action, project in zip(("approve", "pause", "resume"), projects.values(), strict=True):
        act(viewer, f"{action}_selected", project)
    assert {name: status(project) for name, project in projects.items()} == {name: name for name in projects}
    assert (status(run), status(free), Run.objects.count()) == ("queued", "inbox", 1)


# ---------------------------------------------------------------- what the lists show
def test_statuses_have_colour_shape_and_word_and_every_shape_exists(staff):
    for name in Task.Status.values:
        tasks.set_status(make.task(), name)
    for name in Project.Status.values:
        make.project(status=name)
    make.run()
    for model, kinds in ((Task, Task.Status.values), (Project, Project.Status.values), (Run, ["queued"])):
        page = staff.get(listed(model)).content.decode()
        assert not INLINE.search(page)
        for name in kinds:
            assert f'class="mc-badge" data-status="{name}"' in page
        for shape in re.findall(r'href="#(i-[^"]+)"', page):
            assert f'<symbol id="{shape}"' in page, shape
    assert ">In Progress<" in staff.get(listed(Task)).content.decode()


def log_of(number: int) -> Run:
    """Return a running run with `number` events."""
    run = make.run()
    claimed = claim(run.pk, worker="elsewhere:1:x")
    drafts = [Draft("message", f"<i>line {seq}</i>") for seq in range(2, number + 1)]
    events.append(run.pk, claimed.claim_token, drafts, after=1)
    run.refresh_from_db()
    return run


def test_a_long_log_is_read_page_by_page_in_few_queries_and_never_changed(staff, django_assert_max_num_queries):
    run = log_of(250)
    change = reverse("admin:mission_control_run_change", args=[run.pk])
    path = reverse("admin:mission_control_run_events", args=[run.pk])
    assert path in staff.get(change).content.decode()
    for number, (first, last) in {1: (1, 100), 2: (101, 200), 3: (201, 250)}.items():
        with django_assert_max_num_queries(6):
            answer = staff.get(path, {"page": number})
        assert [event.seq for event in answer.context["events"]] == list(range(first, last + 1))
        page = answer.content.decode()
        assert f"&lt;i&gt;line {last}&lt;/i&gt;" in page and "<i>line" not in page
        assert 'type="submit"' not in page.split('id="content"')[1]
        assert not INLINE.search(page)
    before = list(run.events.values())
    staff.post(path, {"content": "changed"})
    assert list(run.events.values()) == before
    for odd in ("0", "-1", "x", "99999999999"):
        assert staff.get(path, {"page": odd}).status_code == 200


def test_the_log_is_for_those_who_may_view_runs():
    path = reverse("admin:mission_control_run_events", args=[log_of(3).pk])
    stranger = Client()
    stranger.force_login(make.user(may=["mission_control.view_task"], is_staff=True))
    assert client_of().get(path).status_code == 200
    assert stranger.get(path).status_code == 403
    assert Client().get(path).status_code == 302


def test_a_run_and_its_task_follow_it_live_and_one_that_has_ended_does_not(staff):
    run = log_of(3)
    pages = {
        f"/ws/mission-control/runs/{run.pk}": reverse("admin:mission_control_run_change", args=[run.pk]),
        f"/ws/mission-control/tasks/{run.task_id}": reverse(
            "admin:mission_control_task_change", args=[run.task_id]
        ),
    }
    for socket, path in pages.items():
        page = " ".join(staff.get(path).content.decode().split())
        assert f'data-socket="{socket}" data-run="{run.pk}" data-seq="3"' in page
        assert "mission_control/admin.js" in page
        assert not INLINE.search(page)
    Run.objects.filter(pk=run.pk).update(status="completed", finished_at=timezone.now())
    ended = staff.get(pages[f"/ws/mission-control/runs/{run.pk}"]).content.decode()
    assert 'data-socket=""' in ended
    assert "mission_control/admin.js" not in ended


def test_a_page_of_who_may_not_view_runs_asks_for_no_socket(staff):
    stranger = Client()
    stranger.force_login(make.user(may=["mission_control.view_task"], is_staff=True))
    task = make.run().task
    page = stranger.get(reverse("admin:mission_control_task_change", args=[task.pk])).content.decode()
    assert "admin.js" not in page


@pytest.mark.parametrize("model", [Task, Run, Project])
def test_the_queries_of_a_list_do_not_grow_with_its_rows(staff, model, django_assert_num_queries):
    make.limit(50)
    agent = make.agent()

    def grow(number: int) -> None:
        for _ in range(number):
            project = make.project(planner_agent=agent)
            make.run(make.task(project=project, assignees=[agent]), agent)

    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    grow(2)
    staff.get(listed(model))
    with CaptureQueriesContext(connection) as few:
        staff.get(listed(model))
    grow(20)
    with django_assert_num_queries(len(few)):
        answer = staff.get(listed(model))
    assert len(answer.context["cl"].result_list) == 22
    assert len(answer.content.decode().split("<option")) < 20
