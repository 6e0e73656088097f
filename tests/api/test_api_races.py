"""Simultaneous requests from real processes: none breaks a rule, none gets a 5xx."""

from collections import Counter

import pytest

from mission_control.models import Run, Task
from tests import make, rivals
from tests.api.conftest import Api

ROUNDS = 6


@pytest.fixture(autouse=True)
def database(transactional_db):
    make.limit(5)
    Api().get("capacity")  # the rival processes inherit what the first request imports


def status_of(token: str, method: str, path: str, body: dict | None) -> int:
    return Api(object(), token=token).call(method, path, body).status_code


def test_two_halves_of_a_circle_never_both_succeed():
    token = make.token()
    for _ in range(ROUNDS):
        chain = [make.task() for _ in range(3)]
        links = zip(chain, chain[1:] + chain[:1], strict=True)
        calls = [(token, "PATCH", f"tasks/{a.pk}", {"blocked_by": [str(b.pk)]}) for a, b in links]
        assert Counter(rivals.race(status_of, calls, processes=3)) == {200: 2, 400: 1}


def test_what_is_deleted_meanwhile_is_no_fault_of_the_server():
    token = make.token()
    for _ in range(ROUNDS):
        agent, project = make.agent(), make.project()
        task = make.task(project=project)
        new = {"title": "x", "assignee_ids": [str(agent.pk)], "project_id": str(project.pk)}
        calls = [
            (token, "POST", "tasks", new),
            (token, "PATCH", f"tasks/{task.pk}", {"assignee_ids": [str(agent.pk)], "title": "y"}),
            (token, "POST", f"tasks/{task.pk}/run", {"agent_id": str(agent.pk)}),
            (token, "POST", "documents", {"title": "x", "task_id": str(task.pk)}),
            (token, "DELETE", f"agents/{agent.pk}", None),
            (token, "DELETE", f"tasks/{task.pk}", None),
            (token, "DELETE", f"projects/{project.pk}", None),
        ]
        answers = rivals.race(status_of, calls, processes=7)
        assert set(answers) <= {200, 400, 404, 409}, answers


def test_a_status_set_by_hand_never_stands_against_a_run():
    token, agent = make.token(), make.agent()
    for _ in range(ROUNDS):
        task = make.task()
        Run.objects.all().delete()
        calls = [
            (token, "POST", f"tasks/{task.pk}/run", {"agent_id": str(agent.pk)}),
            (token, "PATCH", f"tasks/{task.pk}", {"status": "done"}),
        ]
        assert set(rivals.race(status_of, calls, processes=2)) <= {200, 409}
        assert Run.objects.holding().filter(task=task).exists()
        assert Task.objects.get(pk=task.pk).status == "in_progress"
