"""The project pages: their content and their actions."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.db.models import Q
from django.test import Client

from mission_control.models import Project, Run, RunEvent, Task
from mission_control.runs import events
from mission_control.runs.events import Draft
from mission_control.runs.lifecycle import claim, finish
from mission_control.web.project.timeline import timeline
from tests import make
from tests.web.conftest import client_of
from tests.web.project.pages import now, page_of, text_of

pytestmark = pytest.mark.usefixtures("database")

HOSTILE = '</div><script>alert(1)</script><img src=x onerror="alert(2)">'
SEES = ["mission_control.view_project", "mission_control.view_task"]
Status = Project.Status


def a_plan(**fields) -> tuple[Project, list[Task]]:
    """Return a project of two levels: two tasks, and one that is blocked by both."""
    project = make.project(**{"title": "Cookbook", **fields})
    agent = make.agent(name="Scout")
    first, second = (make.task(project=project, title=f"First {n}", assignees=[agent]) for n in (1, 2))
    last = make.task(project=project, title="Last", assignees=[agent], blocked_by=[first, second])
    return project, [first, second, last]


# ---------------------------------------------------------------- permissions
def paths_of(project: Project) -> list[str]:
    at = f"/projects/{project.pk}"
    return ["/projects", "/projects/new", at, *(f"{at}/{part}" for part in ("edit", "delete", "plan", "files"))]


def test_every_page_of_projects_needs_a_login_and_the_permission():
    project = make.project()
    stranger = client_of(make.user(may=["mission_control.view_task"]))
    for path in paths_of(project):
        assert Client().get(path).status_code == 302, path
        assert stranger.get(path).status_code == 403, path


def test_a_viewer_sees_no_button_that_would_be_refused():
    project, _ = a_plan()
    make.project(title="Another")
    Project.objects.filter(pk=project.pk).update(status=Status.AWAITING_APPROVAL)
    viewer = client_of(make.user(may=SEES))
    for path in ("/projects", f"/projects/{project.pk}", f"/projects/{project.pk}/plan"):
        page = page_of(viewer, path)
        main = page[page.index('<main id="main"') : page.index("</main>")]
        assert "<button" not in main.replace('<button type="submit" class="btn btn-s" data-noscript-only', ""), (
            path
        )
        assert "New project" not in main
    for action in ("approve", "start", "pause", "resume", "replan", "delete"):
        assert viewer.post(f"/projects/{project.pk}/{action}").status_code == 403, action


# ---------------------------------------------------------------- content
def test_the_list_says_how_far_each_project_is(browser):
    _project, [first, *_] = a_plan(tags=["food"])
    Task.objects.filter(pk=first.pk).update(status=Task.Status.DONE)
    told = text_of(page_of(browser, "/projects"))
    assert "Cookbook food" in told
    assert "33% 1 of 3" in told
    assert "No projects yet" not in told


def test_without_projects_the_list_offers_to_plan_the_first(browser):
    assert "Create project" in page_of(browser, "/projects")


def test_the_plan_is_drawn_by_levels_with_states_and_lines(browser):
    project, [first, second, _last] = a_plan()
    Task.objects.filter(pk=first.pk).update(status=Task.Status.DONE)
    make.run(second)
    page = page_of(browser, f"/projects/{project.pk}")
    levels = re.findall(r'<section class="level"><h3>(.*?)</section>', page, re.DOTALL)
    assert [level.count('class="node"') for level in levels] == [2, 1]
    assert page.count('<path class="met"') == 1
    assert page.count('<path class="unmet"') == 1
    assert re.search(rf'data-task="{second.pk}"[^>]*data-status="queued" data-live', page)
    assert 'width="38em" height="10em" viewBox="0 0 608 160"' in " ".join(page.split())
    assert "M256 36C304.0 36 304.0 30 352 30" in page  # from the middle of the right side; two ends, 12 apart
    assert "M256 124C304.0 124 304.0 42 352 42" in page
    assert "blocked by 1 task" in page


def test_lines_of_a_level_that_is_left_out_reach_over_it():
    project, [first, _, last] = a_plan()
    final = make.task(project=project, title="Final", blocked_by=[last, first])
    page = page_of(client_of(make.user()), f"/projects/{project.pk}")
    assert final.title in page
    assert "M256 36C480.0 36 480.0" in page


def test_waiting_tasks_say_why_and_those_for_a_person_come_first(browser):
    project, [first, *_] = a_plan()
    person = make.task(project=project, title="Buy paper", task_type="human")
    Project.objects.filter(pk=project.pk).update(status=Status.EXECUTING)
    page = page_of(browser, f"/projects/{project.pk}")
    waits = page[page.index('id="p-waiting"') :]
    assert waits.index("Buy paper") < waits.index(first.title)
    told = text_of(waits)
    assert "Human task" in told
    assert "Blocked by “First 1”, “First 2”" in told
    browser.post(f"/projects/{project.pk}/tasks/{person.pk}/done")
    assert Task.objects.get(pk=person.pk).status == Task.Status.DONE


def test_runs_are_bars_by_agent_and_add_up(browser):
    project, [first, second, _] = a_plan()
    run = claim(make.run(first).pk, worker="test/none/none/1-1")
    usage = {"model": "m", "input_tokens": 400_000, "output_tokens": 12_000, "cost_usd": 1.5}
    finish(run.pk, Run.Status.COMPLETED, guard=Q(), usage=usage)
    finish(claim(make.run(second).pk, worker="test/none/none/1-2").pk, Run.Status.ERROR, error="No", guard=Q())
    page = page_of(browser, f"/projects/{project.pk}")
    assert page.count('<svg class="bar" data-status="completed"') == 1
    assert page.count('<svg class="bar" data-status="error"') == 1
    totals = text_of(page[page.index('id="p-totals"') : page.index('id="p-team"')])
    assert "Runs 2 1 failed" in totals
    assert "Tokens 412k 400k in" in totals
    assert "Cost $1.50" in totals


def test_runs_of_one_agent_at_once_have_lanes_of_their_own():
    project, [first, second, _] = a_plan()
    for number, task in enumerate((first, second)):
        claim(make.run(task, make.agent(name="Twin")).pk, worker=f"test/none/none/1-{number}")
    [row] = timeline(now(project), "all").rows
    assert [len(lane) for lane in row.lanes] == [1, 1]


def test_a_viewer_who_may_not_read_runs_sees_none_of_them():
    project, [first, *_] = a_plan()
    make.run(first)
    page = page_of(client_of(make.user(may=SEES)), f"/projects/{project.pk}")
    assert "p-runs" in page
    assert 'class="tl"' not in page
    assert "Totals" not in page


def test_what_agents_and_people_write_is_never_markup(browser):
    agent = make.agent(name=HOSTILE[:50], role=HOSTILE)
    document = make.document(content=HOSTILE, title=HOSTILE)
    project = make.project(title=HOSTILE, description=HOSTILE, tags=[HOSTILE[:50]], team_agents=[agent])
    Project.objects.filter(pk=project.pk).update(
        prd_document=document, status=Status.FAILED, metadata={"planning_error": HOSTILE}
    )
    first = make.task(title=HOSTILE, project=project, assignees=[agent])
    make.task(title=HOSTILE, project=project, blocked_by=[first])
    run = claim(make.run(first, agent).pk, worker="test/none/none/1-1")
    finish(run.pk, Run.Status.ERROR, error=HOSTILE, guard=Q())
    folder = project.folder
    folder.mkdir(parents=True)
    (folder / "<script>alert(1)<").write_text(HOSTILE)
    at = f"/projects/{project.pk}"
    paths = ["/projects", at, f"{at}/plan?task={first.pk}", f"{at}/edit", f"{at}/requirements", f"{at}/delete"]
    for path in [*paths, f"{at}/files", f"{at}/file?path=<script>alert(1)<"]:
        page = page_of(browser, path)
        assert "alert(1)" in page, path
        assert "<script>" not in page, path
        assert "<img" not in page, path
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|href=.javascript:", page), path


def test_the_number_of_queries_does_not_grow_with_the_plan(browser, django_assert_max_num_queries):
    project, _ = a_plan(team_agents=[make.agent(name="Quill")])

    def grow(number: int) -> None:
        for _ in range(number):
            free = make.task(project=project, assignees=[make.agent()])
            make.task(project=project, blocked_by=[free])
            finish(make.run(free).pk, Run.Status.STOPPED, guard=Q())
        make.project()

    grow(2)
    with django_assert_max_num_queries(50) as few:
        page_of(browser, f"/projects/{project.pk}")
        page_of(browser, "/projects")
    grow(20)
    with django_assert_max_num_queries(50) as many:
        page_of(browser, f"/projects/{project.pk}")
        page_of(browser, "/projects")
    assert len(many) == len(few)


# ---------------------------------------------------------------- planning
def test_a_goal_becomes_a_project_that_is_planned(browser):
    answer = browser.post(
        "/projects/new", {"kind": "goal", "description": "A book about cats", "research_depth": "quick"}
    )
    project = Project.objects.get(title="A book about cats")
    assert answer["Location"] == f"/projects/{project.pk}"
    assert project.metadata["research_depth"] == "quick"
    run = Run.objects.get(project=project, kind=Run.Kind.PLANNING)
    run = claim(run.pk, worker="test/none/none/1-1")
    steps = [("research", "Researching"), ("prd", "Writing the requirements")]
    drafts = [Draft(RunEvent.Type.STATUS, word, {"phase": "planning", "step": step}) for step, word in steps]
    events.append(run.pk, run.claim_token, drafts, after=run.last_seq)
    page = page_of(browser, f"/projects/{project.pk}")
    shown = re.findall(r'<li data-status="(\w+)"[^>]*><span class="state"', page)
    assert shown == ["skipped", "done", "running", "inbox", "inbox"]
    assert f'data-run="{run.pk}"' in page


@pytest.mark.parametrize("goal", ["", "short", "          \n   ", "x" * 5_001])
def test_a_goal_that_says_too_little_or_too_much_comes_back_with_the_reason(browser, goal):
    answer = browser.post("/projects/new", {"kind": "goal", "description": goal})
    assert answer.status_code == 400
    assert 'id="goal-description_error"' in answer.content.decode()
    assert not Project.objects.exists()


def test_a_failed_planning_says_why_and_can_be_tried_again(browser):
    browser.post("/projects/new", {"kind": "goal", "description": "A book about cats"})
    project = Project.objects.get()
    run = Run.objects.get(project=project)
    finish(run.pk, Run.Status.ERROR, error="No key", guard=Q())
    page = page_of(browser, f"/projects/{project.pk}")
    assert "Planning failed: No key" in page
    browser.post(f"/projects/{project.pk}/replan")
    assert now(project).status == Status.PLANNING
    browser.post(f"/projects/{project.pk}/stop-planning")
    assert "Planning was stopped" in page_of(browser, f"/projects/{project.pk}")


def test_a_planner_that_cannot_run_is_told_before_the_goal_is_sent(browser, settings):
    settings.PLANNER_BACKEND = "claude_agent_sdk"
    assert "Planner not set up" in page_of(browser, "/projects/new")
    settings.PLANNER_BACKEND = "demo"
    assert "Planner not set up" not in page_of(browser, "/projects/new")


def test_an_empty_project_is_made_filled_by_hand_and_started(browser):
    browser.post("/projects/new", {"kind": "empty", "title": "By hand", "tags": "a, b, a"})
    project = Project.objects.get(title="By hand")
    assert project.tags == ["a", "b"]
    at = f"/projects/{project.pk}"
    browser.post(f"{at}/start")
    assert now(project).status == Status.DRAFT  # there is nothing to start
    agent = make.agent(name="Scout")
    fields = {"task_type": "agent", "priority": "high", "description": "", "assignee": agent.pk}
    browser.post(f"{at}/plan?task=new", {**fields, "title": "One"})
    one = Task.objects.get(title="One")
    browser.post(f"{at}/plan?task=new", {**fields, "title": "Two", "blocked_by": [one.pk]})
    two = Task.objects.get(title="Two")
    assert two.blocker_ids == [one.pk]
    assert (two.assignee_ids, two.priority) == ([agent.pk], "high")
    browser.post(f"{at}/start")
    assert now(project).status == Status.EXECUTING
    assert Run.objects.active().get().task == one


def test_the_plan_is_changed_before_approval(browser):
    project, [first, second, last] = a_plan()
    Project.objects.filter(pk=project.pk).update(status=Status.AWAITING_APPROVAL)
    other = make.agent(name="Quill")
    at = f"/projects/{project.pk}/plan"
    page = page_of(browser, f"{at}?task={last.pk}")
    assert len(re.findall(r'name="blocked_by" value="[^"]*"\s+checked', page)) == 2
    given = {"title": "Last of all", "description": "x", "task_type": "agent", "priority": "low"}
    answer = browser.post(f"{at}?task={last.pk}", {**given, "assignee": other.pk, "blocked_by": [second.pk]})
    assert answer.status_code == 302
    last = Task.objects.get(pk=last.pk)
    assert (last.title, last.blocker_ids, last.assignee_ids) == ("Last of all", [second.pk], [other.pk])
    circle = browser.post(f"{at}?task={second.pk}", {**given, "assignee": "", "blocked_by": [last.pk]})
    assert circle.status_code == 400
    assert "circle" in circle.content.decode()
    browser.post(f"/projects/{project.pk}/tasks/{first.pk}/delete")
    assert not Task.objects.filter(pk=first.pk).exists()
    browser.post(f"/projects/{project.pk}/approve")
    assert now(project).status == Status.EXECUTING


def test_requirements_are_written_and_the_next_version_keeps_the_first(browser):
    project = make.project()
    at = f"/projects/{project.pk}/requirements"
    browser.post(at, {"content": "# One\r\n\r\n- a"})
    document = now(project).prd_document
    assert document.content == "# One\n\n- a"
    assert '<h3 class="major">One</h3>' in page_of(browser, f"/projects/{project.pk}")
    browser.post(at, {"content": "# Two"})
    document = now(project).prd_document
    assert document.version == 2
    assert [version.content for version in document.versions.order_by("version")] == ["# One\n\n- a", "# Two"]


# ---------------------------------------------------------------- start, pause, resume
def test_pause_resume_and_skip_answer_with_the_page_and_a_word(browser):
    project, [_first, *_] = a_plan()
    Project.objects.filter(pk=project.pk).update(status=Status.EXECUTING)
    at = f"/projects/{project.pk}"
    assert "Paused" in text_of(browser.post(f"{at}/pause", follow=True).content.decode())
    assert now(project).status == Status.PAUSED
    browser.post(f"{at}/resume")
    assert now(project).status == Status.EXECUTING
    refused = browser.post(f"{at}/approve", follow=True).content.decode()
    assert "Project status is not awaiting_approval." in refused
    last = Task.objects.get(title="Last")
    browser.post(f"{at}/tasks/{last.pk}/skip")
    assert Task.objects.get(pk=last.pk).status == Task.Status.SKIPPED
    assert browser.post(f"{at}/tasks/{make.task().pk}/skip").status_code == 404


def test_a_project_is_edited_and_deleted_after_a_question(browser):
    project, [first, *_] = a_plan()
    scout = make.agent(name="Another")
    at = f"/projects/{project.pk}"
    browser.post(f"{at}/edit", {"title": "New title", "description": "d", "tags": "x", "team_agents": [scout.pk]})
    changed = now(project)
    assert (changed.title, changed.tags, list(changed.team_agents.all())) == ("New title", ["x"], [scout])
    assert "This deletes its 3 tasks" in page_of(browser, f"{at}/delete")
    run = make.run(first)
    assert "Project has an active run" in browser.post(f"{at}/delete", follow=True).content.decode()
    finish(run.pk, Run.Status.STOPPED, guard=Q())
    assert browser.post(f"{at}/delete")["Location"] == "/projects"
    assert not Project.objects.exists()


def test_actions_refuse_get_and_a_post_without_the_forgery_token(browser):
    project = make.project()
    for action in ("approve", "start", "pause", "resume", "replan", "stop-planning"):
        assert browser.get(f"/projects/{project.pk}/{action}").status_code == 405, action
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(get_user_model().objects.first() or make.user())
    assert strict.post(f"/projects/{project.pk}/approve").status_code == 403


def test_unknown_projects_are_not_found_and_odd_queries_harmless(browser):
    project, _ = a_plan()
    unknown = "00000000-0000-4000-8000-000000000000"
    for end in ("", "/plan", "/edit", "/files", "/delete"):
        assert browser.get(f"/projects/{unknown}{end}").status_code == 404, end
    for query in ("span=x", "span=2h", "span=30d", "page=x", "task=x", "path="):
        assert browser.get(f"/projects/{project.pk}?{query}").status_code == 200, query
        assert browser.get(f"/projects/{project.pk}/plan?{query}").status_code == 200, query


# ---------------------------------------------------------------- tasks without an agent
def test_a_plan_says_before_approval_which_tasks_will_not_run_and_assigns_them(browser):
    agent, project = make.agent(name="Scout"), make.project(status="awaiting_approval")
    without = [make.task(project=project, title=title) for title in ("Alpha", "Beta")]
    make.task(project=project, assignees=[agent])
    make.task(project=project, task_type="human")
    at = f"/projects/{project.pk}"
    told = text_of(page_of(browser, at))
    assert "2 tasks have no agent" in told
    assert "Alpha , Beta will not run until an agent is assigned" in told
    assert "Choose an agent." in browser.post(f"{at}/assign", {"agent": ""}, follow=True).content.decode()
    browser.post(f"{at}/assign", {"agent": agent.pk})
    assert [list(task.assignees.all()) for task in without] == [[agent], [agent]]
    assert "no agent" not in text_of(page_of(browser, at))


def test_who_may_not_change_tasks_is_told_of_those_without_an_agent_and_assigns_nobody():
    project = make.project(status="awaiting_approval")
    task = make.task(project=project)
    looks = client_of(make.user(may=[*SEES, "mission_control.view_project"]))
    page = page_of(looks, f"/projects/{project.pk}")
    assert "1 task has no agent" in text_of(page)
    assert "/assign" not in page
    assert looks.post(f"/projects/{project.pk}/assign", {"agent": make.agent().pk}).status_code == 403
    assert not task.assignees.exists()
