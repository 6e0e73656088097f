"""Deep Work's answers: the plan, and starting, pausing and resuming an execution."""

import time
import uuid

import pytest

from mission_control.actions import project_execution, projects, tasks
from mission_control.errors import WrongState
from mission_control.models import Activity, Project, Run, Task
from mission_control.scheduling.dependencies import levels
from tests import make
from tests.api.answers import stored
from tests.api.conftest import Api

DEEP_WORK = "/api/deep-work/projects/"
STATUSES = [status.value for status in Project.Status]


def status_of(project: Project) -> str:
    return Project.objects.get(pk=project.pk).status


# ---------------------------------------------------------------- the plan
def test_the_plan_has_project_tasks_progress_requirements_levels_and_goal(api):
    goal = {"goal": "Write a book", "complexity": "M"}
    project = make.project(metadata={"goal_analysis": goal}, prd_document=make.document(title="PRD"))
    outline = make.task(project=project)
    chapter = make.task(project=project, blocked_by=[outline])
    cover = make.task(project=project)
    book = make.task(project=project, blocked_by=[chapter, cover])
    make.task(blocked_by=[])

    plan = api.get(f"{DEEP_WORK}{project.pk}/plan").json()

    read = api.get(f"projects/{project.pk}").json()
    assert {name: plan[name] for name in read} == read
    assert plan["prd"] == api.get(f"documents/{project.prd_document_id}").json()["document"]
    assert plan["goal_analysis"] == goal
    assert [set(level) for level in plan["execution_levels"]] == [
        {str(outline.pk), str(cover.pk)},
        {str(chapter.pk)},
        {str(book.pk)},
    ]
    assert plan["task_level_map"] == {
        str(task.pk): level for task, level in ((outline, 0), (cover, 0), (chapter, 1), (book, 2))
    }
    assert plan.keys() == read.keys() | {
        "prd",
        "execution_levels",
        "task_level_map",
        "goal_analysis",
        "waiting_for",
    }


def test_a_plan_of_nothing_is_empty(api):
    plan = api.get(f"{DEEP_WORK}{make.project().pk}/plan/").json()
    assert (plan["prd"], plan["goal_analysis"], plan["tasks"]) == (None, None, [])
    assert (plan["execution_levels"], plan["task_level_map"], plan["progress"]["total"]) == ([], {}, 0)


def test_a_plan_takes_the_same_few_queries_however_long_it_is(api, django_assert_max_num_queries):
    project = make.project()
    before: list[Task] = []
    for _ in range(30):
        before = [make.task(project=project, blocked_by=before[-2:])]
    with django_assert_max_num_queries(15):
        plan = api.get(f"{DEEP_WORK}{project.pk}/plan").json()
    assert len(plan["execution_levels"]) == 30


def test_a_level_is_the_longest_way_and_what_is_no_task_of_the_project_does_not_count():
    a, b, c, d, foreign = (uuid.uuid4() for _ in range(5))
    assert levels([d, c, b, a], [(b, a), (c, b), (c, a), (d, a), (d, foreign)]) == [[a], [d, b], [c]]
    assert levels([], []) == []
    assert levels([a, b, c], [(a, b), (b, a)]) == [[c], [a, b]]  # a cycle


def test_a_long_chain_and_a_wide_fan_are_levelled_in_linear_time():
    """With quadratic cost these would take minutes."""
    keys = [uuid.uuid4() for _ in range(50_000)]
    begin = time.monotonic()
    assert len(levels(keys, zip(keys[1:], keys, strict=False))) == len(keys)
    assert len(levels(keys, ((key, keys[0]) for key in keys[1:]))) == 2
    assert time.monotonic() - begin < 30


# ---------------------------------------------------------------- approve, pause, resume
@pytest.mark.parametrize(
    ("action", "expected", "becomes"),
    [
        ("approve", ["awaiting_approval"], "executing"),
        ("pause", ["executing", "paused"], "paused"),
        ("start", ["draft", "approved"], "executing"),
        ("resume", ["paused"], "executing"),
    ],
)
@pytest.mark.parametrize("status", STATUSES)
def test_each_goes_from_its_own_status_only(api, action, expected, becomes, status):
    project = make.project(status=status)
    make.task(project=project)
    before = stored()
    answer = api.post(f"{DEEP_WORK}{project.pk}/{action}")
    if status in expected:
        shown = api.get(f"projects/{project.pk}").json()["project"]
        assert (answer.status_code, answer.json()) == (200, {"success": True, "project": shown})
        assert (shown["status"], bool(shown["started_at"])) == (becomes, becomes == "executing")
    else:
        assert (answer.status_code, answer.json()) == (400, {"detail": f"Project status is not {expected[0]}"})
        assert stored() == before


@pytest.mark.parametrize("action", ["approve", "start", "pause", "resume"])
def test_an_unknown_project_is_404(api, action):
    for key in (uuid.uuid4(), "x"):
        answer = api.post(f"{DEEP_WORK}{key}/{action}")
        assert (answer.status_code, answer.json()) == (404, {"detail": "Project not found"})


def test_a_project_without_tasks_is_not_started(api):
    project = make.project()
    answer = api.post(f"{DEEP_WORK}{project.pk}/start")
    assert (answer.status_code, answer.json()) == (400, {"detail": project_execution.NOTHING_TO_START})
    assert Project.objects.get().status == "draft"


def test_a_start_goes_by_the_status_that_the_project_has_now():
    project = make.project()
    make.task(project=project)
    seen = Project.objects.get()
    projects.change(project, status="completed")
    with pytest.raises(WrongState):
        project_execution.start(seen)
    assert Project.objects.get().status == "completed"


def test_an_approved_project_in_which_nothing_is_left_to_do_is_completed(api):
    project = make.project(status="awaiting_approval")
    tasks.skip(make.task(project=project))
    answer = api.post(f"{DEEP_WORK}{project.pk}/approve").json()["project"]
    assert (answer["status"], bool(answer["completed_at"])) == ("completed", True)


@pytest.mark.parametrize(
    ("method", "action", "needed"),
    [
        ("GET", "plan", ["view_project", "view_task", "view_deliverable"]),
        ("POST", "approve", ["change_project", "add_run"]),
        ("POST", "start", ["change_project", "add_run"]),
        ("POST", "pause", ["change_project", "change_run"]),
        ("POST", "resume", ["change_project", "add_run"]),
        ("POST", "tasks/{task}/skip", ["change_task"]),
    ],
)
def test_all_that_it_does_must_be_permitted(method, action, needed):
    project = make.project()
    path = f"{DEEP_WORK}{project.pk}/{action.format(task=make.task(project=project).pk)}"
    for lacking in needed:
        some = [f"mission_control.{name}" for name in {*needed, "add_project"} - {lacking}]
        assert Api(make.user(may=some)).call(method, path).status_code == 403
    all_of_it = Api(make.user(may=[f"mission_control.{name}" for name in needed]))
    assert all_of_it.call(method, path).status_code in (200, 400)


# ---------------------------------------------------------------- skip
def test_a_skipped_task_is_answered_with_the_progress(api):
    project = make.project(status="executing")
    task, _ = make.task(project=project), make.task(project=project)
    answer = api.post(f"{DEEP_WORK}{project.pk}/tasks/{task.pk}/skip")
    read = api.get(f"projects/{project.pk}").json()
    assert answer.json() == {
        "success": True,
        "task": api.get(f"tasks/{task.pk}").json()["task"],
        "progress": read["progress"],
    }
    assert (answer.json()["task"]["status"], read["progress"]["percent"]) == ("skipped", 50.0)
    assert answer.json()["task"]["completed_at"].endswith("Z")
    assert status_of(project) == "executing"


@pytest.mark.parametrize("status", ["done", "skipped", "in_progress"])
def test_what_is_done_skipped_or_in_progress_is_not_skipped(api, status):
    project = make.project()
    task = tasks.change(make.task(project=project), status=status)
    before = stored()
    answer = api.post(f"{DEEP_WORK}{project.pk}/tasks/{task.pk}/skip")
    assert (answer.status_code, answer.json().keys()) == (400, {"detail"})
    assert stored() == before


@pytest.mark.parametrize("status", ["inbox", "assigned", "review", "blocked"])
def test_anything_else_is(api, status):
    project = make.project()
    task = tasks.change(make.task(project=project), status=status)
    assert api.post(f"{DEEP_WORK}{project.pk}/tasks/{task.pk}/skip/").json()["task"]["status"] == "skipped"


def test_a_task_of_another_project_is_not_skipped(api):
    project, task = make.project(), make.task(project=make.project())
    answer = api.post(f"{DEEP_WORK}{project.pk}/tasks/{task.pk}/skip")
    assert (answer.status_code, answer.json()) == (400, {"detail": "Task does not belong to this project"})
    for path, noun in ((f"{uuid.uuid4()}/tasks/{task.pk}", "Project"), (f"{project.pk}/tasks/x", "Task")):
        answer = api.post(f"{DEEP_WORK}{path}/skip")
        assert (answer.status_code, answer.json()) == (404, {"detail": f"{noun} not found"})


def test_a_task_whose_run_waits_for_a_slot_is_skipped_with_it(api):
    make.limit(1)
    make.run()
    project = make.project()
    task = make.task(project=project)
    run = make.run(task, when_full="queue")
    assert api.post(f"{DEEP_WORK}{project.pk}/tasks/{task.pk}/skip").json()["task"]["status"] == "skipped"
    run.refresh_from_db()
    assert (run.status, run.error) == ("stopped", "The task was skipped")


# ---------------------------------------------------------------- completion
def test_an_executing_project_is_completed_with_its_last_task_however_that_is_resolved(api):
    for resolve in (
        lambda project, task: api.post(f"{DEEP_WORK}{project.pk}/tasks/{task.pk}/skip"),
        lambda project, task: api.patch(f"tasks/{task.pk}", {"status": "done"}),
        lambda project, task: api.delete(f"tasks/{task.pk}"),
        lambda project, task: api.patch(f"tasks/{task.pk}", {"project_id": None}),
    ):
        project = make.project(status="executing")
        tasks.change(make.task(project=project), status="done")
        last = make.task(project=project)
        Project.objects.filter(pk=project.pk).update(status="executing", completed_at=None)
        assert resolve(project, last).status_code == 200
        completed = Project.objects.get(pk=project.pk)
        assert (completed.status, bool(completed.completed_at)) == ("completed", True)
        assert Activity.objects.filter(
            message=f"Project completed: {project.title}", project_id=project.pk
        ).exists()


@pytest.mark.parametrize("status", ["draft", "awaiting_approval", "approved", "paused", "failed"])
def test_no_other_project_is_completed_by_its_tasks(api, status):
    project = make.project(status=status)
    tasks.change(make.task(project=project), status="done")
    assert status_of(project) == status


def test_a_project_without_tasks_or_with_an_open_one_is_not_completed(api):
    project = make.project(status="executing")
    api.delete(f"tasks/{make.task(project=project).pk}")
    assert status_of(project) == "executing"
    make.task(project=project)
    tasks.change(make.task(project=project), status="review")
    tasks.change(make.task(project=project), status="done")
    assert status_of(project) == "executing"


def test_a_pause_leaves_the_runs_of_other_projects_alone(api):
    project, other = make.project(status="executing"), make.run(make.task(project=make.project()))
    mine = make.run(make.task(project=project))
    api.post(f"{DEEP_WORK}{project.pk}/pause")
    assert Run.objects.get(pk=other.pk).status == "queued"
    assert Run.objects.get(pk=mine.pk).status == "stopped"
    assert Task.objects.get(pk=mine.task_id).status == "assigned"
