"""Running and stopping a task over the API: each answer of the contract, in the contract's order."""

import pytest

from mission_control.models import Run, Task
from mission_control.runs.lifecycle import claim
from tests import make

NOBODY = "00000000-0000-4000-8000-000000000000"  # constant: xdist needs the same test ids in every process


@pytest.fixture
def task():
    return make.task()


@pytest.fixture
def agent():
    return make.agent(name="Ada")


def refused(answer):
    return answer.status_code, answer.json()["detail"]


def test_a_run_is_answered_and_the_task_reads_in_progress_from_then_on(api, task, agent):
    answer = api.post(f"tasks/{task.pk}/run", {"agent_id": str(agent.pk)})
    run = Run.objects.get()
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "success": True,
            "message": "Task execution started",
            "status": "started",
            "task_id": str(task.pk),
            "agent_id": str(agent.pk),
            "agent_name": "Ada",
            "run_id": str(run.pk),
        },
    )
    assert run.requested_by == api.user
    assert api.get(f"tasks/{task.pk}").json()["task"]["status"] == "in_progress"
    running = api.get("tasks/running").json()
    assert running["count"] == 1
    [row] = running["running_tasks"]
    assert row.pop("started_at")
    assert row == {
        "task_id": str(task.pk),
        "title": task.title,
        "status": "in_progress",
        "assignee_ids": [],
        "run_id": str(run.pk),
        "agent_id": str(agent.pk),
        "agent_name": "Ada",
    }


def test_an_unknown_task_wins_over_a_bad_body_and_an_unknown_agent_over_a_bad_field(api, task):
    assert refused(api.post(f"tasks/{NOBODY}/run", "{", content_type="application/json")) == (
        404,
        "Task not found",
    )
    body = {"agent_id": NOBODY, "when_full": "nonsense"}
    assert refused(api.post(f"tasks/{task.pk}/run", body)) == (404, "Agent not found")


@pytest.mark.parametrize("task_type", ["human", "review"])
def test_a_task_for_people_is_400(api, agent, task_type):
    task = make.task(task_type=task_type)
    answer = api.post(f"tasks/{task.pk}/run", {"agent_id": str(agent.pk)})
    assert answer.status_code == 400
    assert answer.json()["task_type"] == [answer.json()["detail"]]


def test_a_second_run_of_a_task_is_409_also_when_the_limit_is_reached(api, task, agent):
    make.limit(1)
    make.run(task, agent)
    answer = api.post(f"tasks/{task.pk}/run", {"agent_id": str(agent.pk)})
    assert (answer.status_code, answer.json()) == (409, {"detail": "Task is already running"})


def test_a_blocked_task_is_409_with_its_blockers_unless_they_are_to_be_ignored(api, agent):
    blocker = make.task()
    task = make.task(blocked_by=[blocker])
    path, body = f"tasks/{task.pk}/run", {"agent_id": str(agent.pk)}
    answer = api.post(path, body)
    assert (answer.status_code, answer.json()) == (
        409,
        {"detail": "Task is blocked by unfinished tasks", "blocked_by": [str(blocker.pk)]},
    )
    assert api.post(path, {**body, "ignore_dependencies": True}).status_code == 200


def test_a_task_whose_blockers_are_done_or_skipped_runs(api, agent):
    done, skipped = make.task(), make.task()
    task = make.task(blocked_by=[done, skipped])
    api.patch(f"tasks/{done.pk}", {"status": "done"})
    api.patch(f"tasks/{skipped.pk}", {"status": "skipped"})
    assert api.post(f"tasks/{task.pk}/run", {"agent_id": str(agent.pk)}).status_code == 200


def test_the_limit_is_429_with_its_number_and_when_to_try_again(api, task, agent):
    make.limit(2)
    make.run()
    make.run()
    answer = api.post(f"tasks/{task.pk}/run", {"agent_id": str(agent.pk)})
    assert (answer.status_code, answer.json()) == (429, {"detail": "Maximum concurrent tasks (2) reached"})
    assert int(answer["Retry-After"]) > 0
    assert api.get(f"tasks/{task.pk}").json()["task"]["status"] == "inbox"


def test_who_may_wait_waits_and_starts_when_a_slot_is_free(api, task, agent):
    make.limit(1)
    first = make.run()
    body = {"agent_id": str(agent.pk), "when_full": "queue"}
    answer = api.post(f"tasks/{task.pk}/run", body).json()
    assert (answer["status"], answer["message"]) == ("waiting", "Task is queued for a free slot")
    assert api.get("tasks/running").json()["count"] == 1
    assert api.get(f"tasks/{task.pk}").json()["task"]["status"] == "inbox"
    assert api.get("capacity").json()["waiting"] == 1

    api.post(f"runs/{first.pk}/stop")
    [row] = api.get("tasks/running").json()["running_tasks"]
    assert row["run_id"] == answer["run_id"]


def test_who_may_wait_and_need_not_is_started(api, task, agent):
    body = {"agent_id": str(agent.pk), "when_full": "queue"}
    assert api.post(f"tasks/{task.pk}/run", body).json()["status"] == "started"


def test_a_stop_ends_the_task_s_run(api):
    run = make.run()
    answer = api.post(f"tasks/{run.task_id}/stop")
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "stopped", "task_id": str(run.task_id), "message": "Task execution stopped"},
    )
    task = api.get(f"tasks/{run.task_id}").json()["task"]
    assert (task["status"], task["active_run_id"], task["last_run"]["status"]) == ("blocked", None, "stopped")
    assert refused(api.post(f"tasks/{run.task_id}/stop")) == (404, "Task is not currently running")
    assert api.get("capacity").json()["available"] == 5


def test_a_stop_of_a_run_answers_the_run(api):
    run = make.run()
    answer = api.post(f"runs/{run.pk}/stop").json()
    assert (answer["status"], answer["run_id"], answer["run"]["status"]) == ("stopped", str(run.pk), "stopped")
    assert refused(api.post(f"runs/{run.pk}/stop"))[0] == 404


def test_a_stop_of_a_running_run_is_answered_though_its_worker_is_slow(api):
    run = make.run()
    claim(run.pk, worker="w")
    assert api.post(f"tasks/{run.task_id}/stop").json()["status"] == "stopped"
    assert Run.objects.get().stop_requested_at is not None


def test_a_stopped_task_may_be_run_again(api, agent):
    run = make.run()
    api.post(f"tasks/{run.task_id}/stop")
    assert api.post(f"tasks/{run.task_id}/run", {"agent_id": str(agent.pk)}).status_code == 200
    assert [found["attempt"] for found in api.get(f"tasks/{run.task_id}/runs").json()["runs"]] == [2, 1]


@pytest.mark.parametrize("when_full", ["reject", "queue"])
def test_while_a_run_is_active_its_task_and_agent_stay_as_they_are(api, when_full):
    if when_full == "queue":
        make.limit(1)
        make.run()
    run = make.run(make.task(project=make.project()), when_full=when_full)
    task, agent = f"tasks/{run.task_id}", f"agents/{run.agent_id}"
    before = api.get(task).json()

    assert refused(api.patch(task, {"status": "done"})) == (409, "Task has an active run")
    assert refused(api.delete(task)) == (409, "Task has an active run")
    assert refused(api.delete(agent)) == (409, "Agent has an active run")
    assert refused(api.delete(f"projects/{run.project_id}")) == (409, "Project has an active run")
    assert api.get(task).json() == before

    assert api.patch(task, {"title": "Other", "status": before["task"]["status"]}).status_code == 200
    api.post(f"{task}/stop")
    assert api.patch(task, {"status": "done"}).status_code == 200
    assert api.delete(agent).status_code == 200
    assert api.delete(task).status_code == 200
    assert not Task.objects.filter(pk=run.task_id).exists()


def test_a_deleted_agent_stays_in_the_record_of_its_runs(api):
    run = make.run(by=make.agent(name="Ada"))
    api.post(f"runs/{run.pk}/stop")
    api.delete(f"agents/{run.agent_id}")
    read = api.get(f"runs/{run.pk}").json()["run"]
    assert (read["agent_id"], read["agent_name"]) == (None, "Ada")
