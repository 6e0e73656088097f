"""Dependencies of tasks: never a cycle, never across projects."""

import pytest

from mission_control.actions import tasks
from mission_control.errors import Invalid
from mission_control.models import Task
from tests import make


def assert_refused(answer, field="blocked_by"):
    assert answer.status_code == 400, answer.json()
    assert answer.json()[field] == [answer.json()["detail"]]


@pytest.mark.parametrize("in_project", [True, False])
def test_a_circle_of_dependencies_is_refused(api, in_project):
    project = make.project() if in_project else None
    first, second, third = (make.task(project=project) for _ in range(3))
    tasks.change(second, blocked_by=[first])
    tasks.change(third, blocked_by=[second])

    for task, blocker in ((first, first), (first, second), (first, third), (second, third)):
        before = set(task.blocked_by.all())
        assert_refused(api.patch(f"tasks/{task.pk}", {"blocked_by": [str(blocker.pk)]}))
        assert set(task.blocked_by.all()) == before
    assert api.patch(f"tasks/{third.pk}", {"blocked_by": [str(first.pk), str(second.pk)]}).status_code == 200


def test_a_dependency_on_another_project_s_task_is_refused(api):
    project, other = make.project(), make.project()
    foreign, loose = make.task(project=other), make.task()
    body = {"title": "x", "project_id": str(project.pk)}
    assert_refused(api.post("tasks", {**body, "blocked_by": [str(foreign.pk)]}))
    assert_refused(api.post("tasks", {"title": "x", "blocked_by": [str(foreign.pk)]}))
    assert api.post("tasks", {**body, "blocked_by": [str(loose.pk)]}).status_code == 200
    assert Task.objects.filter(title="x").count() == 1


def test_a_task_does_not_leave_for_another_project_what_it_depends_on_or_what_depends_on_it(api):
    project, other = make.project(), make.project()
    first = make.task(project=project)
    second = make.task(project=project, blocked_by=[first])
    move = {"project_id": str(other.pk)}
    assert_refused(api.patch(f"tasks/{second.pk}", move))
    assert_refused(api.patch(f"tasks/{first.pk}", move), "project_id")
    assert api.patch(f"tasks/{second.pk}", {**move, "blocked_by": []}).status_code == 200
    assert api.patch(f"tasks/{first.pk}", move).status_code == 200
    assert Task.objects.filter(project=other).count() == 2


def test_a_circle_by_way_of_a_move_is_refused():
    project = make.project()
    loose = make.task()
    inside = make.task(project=project, blocked_by=[loose])
    with pytest.raises(Invalid):
        tasks.change(loose, project=project, blocked_by=[inside])


def test_a_task_is_no_part_of_itself(api):
    task = make.task()
    assert_refused(api.patch(f"tasks/{task.pk}", {"parent_task_id": str(task.pk)}), "parent_task_id")


def test_a_long_chain_is_checked_in_few_queries(api, django_assert_max_num_queries):
    project = make.project()
    chain = [make.task(project=project)]
    for _ in range(60):
        chain.append(make.task(project=project, blocked_by=[chain[-1]]))
    with django_assert_max_num_queries(20):
        assert_refused(api.patch(f"tasks/{chain[0].pk}", {"blocked_by": [str(chain[-1].pk)]}))
