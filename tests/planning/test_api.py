"""Deep Work's `parse-goal`, `start` and `replan` over the API, with a real execution behind them."""

import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.utils import timezone

from mission_control import jobs
from mission_control.actions import projects
from mission_control.models import Project, QuotaGate, Run
from mission_control.planning.answers import GoalAnalysis
from mission_control.runs.lifecycle import stop
from tests import make
from tests.api.conftest import Api
from tests.planning.planners import ANALYSIS, GOAL, NAMES, a_planner, an_object, carried_out
from tests.servers import wait_until

DEEP_WORK = "/api/deep-work/"


@pytest.fixture(autouse=True)
def known_backends(settings):
    settings.MISSION_CONTROL_BACKENDS = NAMES
    settings.PLANNER_BACKEND = "planner"


@pytest.fixture
def api() -> Api:
    return Api()


@contextmanager
def a_worker():
    """Execute the next run that gets a slot, as a worker would, while the request waits for it."""

    def work():
        queued = Run.objects.filter(status="queued", kind="planning")
        run = wait_until(queued.first, what="a run to carry out")
        jobs.execute_run(str(run.pk))

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join(60)
    assert not thread.is_alive()


def parse(api: Api, **body):
    return api.post(f"{DEEP_WORK}parse-goal", {"description": GOAL, **body})


# ---------------------------------------------------------------- parse-goal
def test_a_goal_is_analysed_in_the_same_answer_by_a_run_of_no_project(api):
    a_planner()
    with a_worker():
        answer = parse(api)
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "goal_analysis": GoalAnalysis.check(ANALYSIS).model_dump()}
    assert answer.json()["goal_analysis"].keys() == {
        "goal", "domain", "sub_domains", "complexity", "estimated_phases", "ai_capabilities", "human_requirements",
        "constraints_detected", "clarifications_needed", "suggested_research_depth", "confidence",
    }  # fmt: skip
    run = Run.objects.get()
    assert (run.kind, run.project, run.task, run.status, run.requested_by) == (
        "planning", None, None, "completed", api.user,
    )  # fmt: skip
    shown = api.get(f"runs/{run.pk}").json()["run"]
    assert (shown["kind"], shown["task_id"], shown["task_title"]) == ("planning", None, f"Goal: {GOAL}")
    assert [event.content for event in run.events.filter(type="status")] == ["started", "completed"]
    assert not Project.objects.exists()


def test_what_the_analysis_is_goes_into_the_plan_as_it_came(api):
    a_planner()
    with a_worker():
        analysis = parse(api).json()["goal_analysis"]
    answer = api.post(f"{DEEP_WORK}start", {"description": GOAL, "goal_analysis": {**analysis, "goal": "Dogs"}})
    key = answer.json()["project"]["id"]
    carried_out(Run.objects.get(project=key))
    assert api.get(f"{DEEP_WORK}projects/{key}/plan").json()["goal_analysis"] == {**analysis, "goal": "Dogs"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"fails_at": "goal_analysis"}, "The planner failed: the model is tired"),
        (
            {"answers": {"goal_analysis": ["No."]}},
            "The planner failed: The planner's answer (goal_analysis) cannot",
        ),
    ],
)
def test_a_model_that_fails_is_502_with_the_reason(api, options, told):
    a_planner(**options)
    with a_worker():
        answer = parse(api)
    assert answer.status_code == 502
    assert answer.json().keys() == {"detail"} and answer.json()["detail"].startswith(told)


def test_a_silent_model_is_502_and_its_run_is_stopped(api, settings):
    settings.GOAL_SILENCE_SECONDS = 1.0
    a_planner(silent_at="goal_analysis")
    with a_worker():
        answer = parse(api)
    assert answer.status_code == 502 and "The planner did not answer within" in answer.json()["detail"]
    run = Run.objects.get()
    assert (run.status, run.error) == ("stopped", answer.json()["detail"])


def test_planner_whose_quota_is_used_up_is_502_at_once_and_its_run_is_stopped(api):
    planner = a_planner()
    until = timezone.now() + timedelta(hours=1)
    gate = QuotaGate.objects.create(account="claude", closed_until=until, reason="Used up", is_reset_known=True)
    gate.agents.add(planner)
    with a_worker():
        answer = parse(api)
    assert (answer.status_code, answer.json()["detail"]) == (502, "The quota of Claude is used up")
    assert Run.objects.get().status == "stopped"


def test_a_model_that_goes_on_talking_is_waited_for(api, settings):
    """The answer takes several times as long as the allowed silence."""
    settings.GOAL_SILENCE_SECONDS = 2.0
    a_planner(pause=0.5)
    begin = time.monotonic()
    with a_worker():
        assert parse(api).status_code == 200
    assert time.monotonic() - begin > settings.GOAL_SILENCE_SECONDS


def test_at_the_limit_it_waits_and_then_runs(api):
    a_planner()
    make.limit(1)
    holding = make.run()
    with a_worker():
        threading.Thread(
            target=lambda: wait_until(Run.objects.waiting().exists, what="it to wait") and stop(holding)
        ).start()
        assert parse(api).status_code == 200


def test_at_the_limit_it_does_not_wait_for_ever(api, settings):
    settings.GOAL_SILENCE_SECONDS = 0.5
    make.limit(1)
    make.run()
    answer = parse(api)
    assert answer.status_code == 502 and "No slot became free within" in answer.json()["detail"]
    assert Run.objects.get(kind="planning").status == "stopped"


def test_an_analysis_that_somebody_stops_is_502(api):
    a_planner(silent_at="goal_analysis")

    def stop_it():
        stop(wait_until(Run.objects.filter(last_seq__gt=1).first, what="an output"), reason="Enough.")

    with a_worker():
        threading.Thread(target=stop_it).start()
        answer = parse(api)
    assert (answer.status_code, answer.json()) == (502, {"detail": "Enough."})


# ---------------------------------------------------------------- start, replan
def test_start_answers_at_once_with_a_project_in_planning_that_a_run_then_plans(api):
    a_planner()
    answer = api.post(f"{DEEP_WORK}start/", {"description": GOAL, "research_depth": "none"})
    project = answer.json()["project"]
    assert (answer.status_code, answer.json().keys()) == (200, {"success", "project"})
    assert (project["status"], project["title"], project["description"]) == ("planning", GOAL, GOAL)
    assert project["creator_id"] == "human" and project["task_ids"] == []
    run = Run.objects.get()
    assert (run.status, str(run.project_id), run.requested_by) == ("queued", project["id"], api.user)
    carried_out(run)
    shown = api.get(f"projects/{project['id']}").json()
    assert (shown["project"]["status"], len(shown["tasks"])) == ("awaiting_approval", 2)
    assert api.get(f"runs/{run.pk}").json()["run"]["document_id"] == shown["project"]["prd_document_id"]


def test_a_long_description_has_a_short_title_until_the_plan_gives_it_one(api):
    a_planner()
    project = api.post(f"{DEEP_WORK}start", {"description": "Write about\n cats " * 200}).json()["project"]
    assert len(project["title"]) <= 80 and project["title"].startswith("Write about cats Write")


@pytest.mark.parametrize("status", ["failed", "awaiting_approval"])
def test_replan_answers_at_once_with_the_project_in_planning(api, status):
    planner = a_planner()
    project = make.project(status=status, description=GOAL)
    answer = api.post(f"{DEEP_WORK}projects/{project.pk}/replan")
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    shown = answer.json()["project"]
    assert (shown["status"], shown["planner_agent_id"]) == ("planning", str(planner.pk))
    assert Run.objects.get().status == "queued"


def test_what_is_planned_or_executed_is_not_planned_again(api):
    a_planner()
    project = make.project(status="executing")
    answer = api.post(f"{DEEP_WORK}projects/{project.pk}/replan")
    assert (answer.status_code, answer.json()) == (
        400, {"detail": "Project status is not failed or awaiting_approval"},
    )  # fmt: skip
    key = api.post(f"{DEEP_WORK}start", {"description": GOAL}).json()["project"]["id"]
    assert api.post(f"{DEEP_WORK}projects/{key}/replan").status_code == 400
    projects.change(Project.objects.get(pk=key), status="failed")  # by hand, while the planning continues
    answer = api.post(f"{DEEP_WORK}projects/{key}/replan")
    assert (answer.status_code, answer.json()) == (409, {"detail": "Project is already being planned"})


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"goal_analysis": {"goal": "g", "domain": "sea"}}, "`domain`: Input should be 'code'"),
        ({"goal_analysis": {"goal": ""}}, "`goal`: String should have at least 1 character"),
    ],
)
def test_an_analysis_of_another_form_is_400_and_says_what_is_wrong(api, body, told):
    answer = api.post(f"{DEEP_WORK}start", {"description": GOAL, **body})
    assert answer.status_code == 400
    assert told in answer.json()["detail"] and "goal_analysis" in answer.json()
    assert not Project.objects.exists()


@pytest.mark.parametrize(
    ("given", "completed"),
    [
        ({"complexity": "L"}, {"goal": GOAL, "complexity": "L"}),
        ({"goal": "Dogs", "domain": None, "confidence": None}, {"goal": "Dogs"}),
    ],
)
def test_missing_keys_of_an_analysis_take_their_defaults(api, given, completed):
    a_planner()
    answer = api.post(f"{DEEP_WORK}start", {"description": GOAL, "goal_analysis": given})
    assert answer.status_code == 200, answer.json()
    assert answer.json()["project"]["metadata"]["goal_analysis"] == GoalAnalysis(**completed).model_dump()


def test_an_empty_analysis_leaves_the_analysis_to_the_planner(api):
    a_planner()
    empty: dict[str, str] = {}
    for given in (empty, None):
        answer = api.post(f"{DEEP_WORK}start", {"description": GOAL, "goal_analysis": given})
        assert "goal_analysis" not in answer.json()["project"]["metadata"]


def test_what_an_analysis_has_beside_what_is_known_is_passed_over(api):
    a_planner()
    body = {"description": GOAL, "goal_analysis": {**ANALYSIS, "domain_label": "Creative & Content"}}
    assert api.post(f"{DEEP_WORK}start", body).status_code == 200


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("parse-goal", ["add_run"]),
        ("start", ["add_project", "add_run"]),
        ("projects/{project}/replan", ["change_project", "add_run"]),
    ],
)
def test_to_plan_must_be_permitted(path, needed, settings):
    settings.GOAL_SILENCE_SECONDS = 0.2
    path = DEEP_WORK + path.format(project=make.project(status="failed").pk)
    for lacking in needed:
        some = [f"mission_control.{name}" for name in {*needed, "view_run", "view_project"} - {lacking}]
        assert Api(make.user(may=some)).post(path, {"description": GOAL}).status_code == 403
    all_of_it = Api(make.user(may=[f"mission_control.{name}" for name in needed]))
    assert all_of_it.post(path, {"description": GOAL}).status_code in (200, 502)


def test_an_answer_of_the_planner_is_seen_as_it_streams(api):
    a_planner(answers={"goal_analysis": [an_object(**ANALYSIS)]}, silent_at="goal_analysis")
    api.post(f"{DEEP_WORK}start", {"description": GOAL})
    run = Run.objects.get()
    thread = threading.Thread(target=jobs.execute_run, args=(str(run.pk),))
    thread.start()
    wait_until(lambda: "A book about cats" in api.get(f"runs/{run.pk}").json()["run"]["output"], what="the text")
    stop(run)
    thread.join(30)
