"""What a run may use: the agent's limits and those of the settings, and the state after a limit ended a run."""

import re

import pytest

from agents.backends.base import AgentOverLimit, BackendError
from mission_control import jobs
from mission_control.actions import agents
from mission_control.errors import Invalid
from mission_control.models import Deliverable, Project, Run, Task
from mission_control.planning import start
from mission_control.runs.admission import admit
from mission_control.runs.execution import execute
from mission_control.runs.limits import Budget, RunLimits, budget_of
from mission_control.runs.outcomes import failure
from mission_control.runs.preparation import workdir_of
from tests import backends, make

Status = Run.Status


@pytest.fixture(autouse=True)
def known_backends(settings):
    settings.MISSION_CONTROL_BACKENDS = backends.NAMES


def an_agent(backend="scripted", options=None, **limits):
    metadata = {"limits": limits} if limits else {}
    return make.agent(backend=backend, backend_options=options or {}, metadata=metadata)


def carried_out(task, agent) -> Run:
    run = admit(task, agent)
    execute(run.pk)
    run.refresh_from_db()
    return run


def notices(run: Run) -> list[str]:
    events = run.events.filter(type="status").order_by("seq")
    return [event.content for event in events if "phase" not in event.metadata]


# ---------------------------------------------------------------- which limit applies
def test_the_stricter_of_the_agents_and_the_settings_limit_holds_one_by_one(settings):
    settings.RUN_TIMEOUT_SECONDS, settings.MAX_IDLE_SECONDS = 100, 50
    settings.MAX_TOTAL_TOKENS, settings.MAX_COST_USD = 0, 2.0
    settings.MAX_OUTPUT_CHARS = settings.PROMPT_BUDGET_CHARS = 10_000
    own = {"run_seconds": 200, "idle_seconds": 20, "total_tokens": 7, "cost_usd": 3, "output_chars": 5}

    assert RunLimits.of(an_agent(**own, prompt_tokens=1_000)) == RunLimits(100, 20, 5, 7, 2.0, 4_000)
    assert RunLimits.of(an_agent()) == RunLimits(100, 50, 10_000, None, 2.0, 10_000)
    assert RunLimits.of(None) == RunLimits.of(an_agent())


def test_the_budget_left_is_what_the_stricter_limit_leaves(settings):
    settings.MAX_TOTAL_TOKENS, settings.MAX_COST_USD = 0, 2.0
    run = Run(agent=an_agent(total_tokens=100), input_tokens=30, output_tokens=30, cost_usd=0.5)
    assert budget_of(run) == Budget(100, 40, 2.0, 1.5)
    run.input_tokens, run.cost_usd = 90, None
    assert budget_of(run) == Budget(100, 0, 2.0, 2.0)
    settings.MAX_COST_USD = 0
    assert budget_of(Run()) == Budget(None, None, None, None)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ([], "limits must be an object of run_seconds, "),
        (None, "limits must be an object of run_seconds, "),
        ({"seconds": 1}, "limits must be an object of run_seconds, "),
        ({"run_seconds": 0}, "limits.run_seconds must be a whole number from 1 to 604,800."),
        ({"run_seconds": True}, "limits.run_seconds must be a whole number"),
        ({"total_tokens": 1.5}, "limits.total_tokens must be a whole number"),
        ({"idle_seconds": "9"}, "limits.idle_seconds must be a whole number"),
        ({"prompt_tokens": 249}, "limits.prompt_tokens must be a whole number from 250 to"),
        ({"cost_usd": 0}, "limits.cost_usd must be a number from 0.0001 to"),
        ({"cost_usd": float("nan")}, "Metadata: NaN and infinite numbers are not allowed."),
    ],
)
def test_limits_that_would_not_hold_are_refused_when_an_agent_is_made_or_changed(limits, said):
    with pytest.raises(Invalid) as refused:
        make.agent(metadata={"limits": limits})
    assert refused.value.detail.startswith(said)
    assert list(refused.value.body) == ["metadata"]

    agent = an_agent(cost_usd=0.5)
    with pytest.raises(Invalid, match=f"^{re.escape(said)}"):
        agents.change(agent, metadata={"limits": limits})


def test_limits_that_no_verb_let_in_are_passed_over(task):
    agent = an_agent()
    type(agent).objects.filter(pk=agent.pk).update(metadata={"limits": {"run_seconds": "long", "total_tokens": 1}})
    agent.refresh_from_db()

    assert RunLimits.of(agent) == RunLimits.of(None)


# ---------------------------------------------------------------- the state after an end by a limit
@pytest.mark.parametrize(
    ("limits", "usage", "error"),
    [
        (
            {"total_tokens": 1_000},
            {"input_tokens": 900, "output_tokens": 101},
            "Used 1,001 tokens, more than the limit of 1,000",
        ),
        ({"total_tokens": 10}, {"output_tokens": 11}, "Used 11 tokens, more than the limit of 10"),
        ({"cost_usd": 0.5}, {"cost_usd": 0.5123}, "Cost $0.51, more than the limit of $0.50"),
    ],
)
def test_a_run_that_takes_too_much_ends_with_a_reason_and_keeps_what_was_said_and_used(task, limits, usage, error):
    run = carried_out(task, an_agent("spending", usage, **limits))

    task.refresh_from_db()
    assert (run.status, run.error, task.status) == (Status.ERROR, error, Task.Status.BLOCKED)
    assert run.end_cause == ("token_limit" if "tokens" in error else "cost_limit")
    assert run.output == "word"
    assert run.usage == {"model": None, "input_tokens": None, "output_tokens": None, "cost_usd": None, **usage}
    assert not Deliverable.objects.exists()


def test_a_run_that_takes_all_that_it_may_is_completed(task):
    usage = {"input_tokens": 600, "output_tokens": 400, "cost_usd": 0.5}
    run = carried_out(task, an_agent("spending", usage, total_tokens=1_000, cost_usd=0.5))

    assert (run.status, run.error, run.output) == (Status.COMPLETED, "", "word by word")


def test_what_is_not_known_counts_as_nothing(task):
    run = carried_out(task, an_agent("spending", {"model": "m"}, total_tokens=1, cost_usd=0.01))

    assert (run.status, run.usage["cost_usd"]) == (Status.COMPLETED, None)


def test_the_settings_limit_holds_for_an_agent_without_one(task, settings):
    settings.MAX_TOTAL_TOKENS = 9
    run = carried_out(task, an_agent("spending", {"input_tokens": 10}))

    assert run.error == "Used 10 tokens, more than the limit of 9"


def test_an_agent_that_falls_silent_is_cancelled_and_the_run_says_so(task):
    run = carried_out(task, an_agent("silent", idle_seconds=1))

    assert (run.status, run.error) == (Status.ERROR, "The agent was silent longer than the limit of 1 seconds")
    assert run.end_cause == "idle"
    assert run.output == "thinking about it"
    assert (workdir_of(run) / "cancelled").exists()


def test_an_agent_that_speaks_now_and_then_is_not_silent(task):
    options = {"events": [["message", "."]] * 4, "delay": 0.4}  # longer in total than the limit
    run = carried_out(task, an_agent(options=options, idle_seconds=1))

    assert (run.status, run.output) == (Status.COMPLETED, "....")


def test_an_agents_own_time_ends_its_run(task):
    options = {"events": [["message", "."]] * 1_000, "delay": 0.05}
    run = carried_out(task, an_agent(options=options, run_seconds=1))

    assert (run.status, run.error) == (Status.ERROR, "Ran longer than the limit of 1 seconds")
    assert run.end_cause == "timeout"
    assert run.output.startswith(".")


def test_an_agents_own_limit_of_output_ends_its_run(task):
    run = carried_out(task, an_agent(options={"events": [["message", "0123456789"]] * 3}, output_chars=25))

    assert (run.error, len(run.output)) == ("The output is longer than the limit of 25 characters", 25)
    assert run.end_cause == "output_limit"


@pytest.mark.parametrize(
    ("limit", "cause"),
    [
        ("time", "timeout"),
        ("silence", "idle"),
        ("output", "output_limit"),
        ("processes", "process_limit"),
        ("disk", "disk_limit"),
    ],
)
def test_a_limit_of_a_backends_own_is_an_end_cause_too(limit, cause):
    assert failure(AgentOverLimit("`mine` took too much", limit)).cause == cause
    assert failure(BackendError("No key")).cause is None


def test_all_calls_of_a_planning_count_together(settings):
    settings.MISSION_CONTROL_BACKENDS = {"planner": "tests.planning.planners.Planner"}
    make.agent(name="Planner", backend="planner", metadata={"limits": {"total_tokens": 25}})  # each call uses 11
    project = start("Write a short book about cats", research_depth="none")
    run = project.runs.get()
    jobs.execute_run(str(run.pk))
    run.refresh_from_db()
    assert run.error == "Used 33 tokens, more than the limit of 25"
    assert Project.objects.get().status == Project.Status.FAILED


# ---------------------------------------------------------------- valid usage
@pytest.mark.parametrize("odd", [-1, 10**30])
def test_an_amount_that_is_none_is_not_known(task, odd):
    usage = {"model": "m" * 300, "input_tokens": odd, "output_tokens": 3, "cost_usd": odd}
    run = carried_out(task, an_agent("spending", usage))

    assert (run.status, run.error) == (Status.COMPLETED, "")
    assert (run.input_tokens, run.output_tokens, run.cost_usd) == (None, 3, None)
    assert len(run.model) == 200


# ---------------------------------------------------------------- the prompt's budget
def test_a_prompt_is_cut_to_the_agents_budget_and_the_run_tells_what_was_left_out(tasks):
    first, second = tasks[:2]
    second.blocked_by.add(first)
    carried_out(first, an_agent(options={"events": [["message", "x" * 5_000]]}))
    run = carried_out(second, an_agent(prompt_tokens=500))

    assert len(run.prompt) <= 2_000
    [notice] = notices(run)
    left_out = run.prompt.split("cut here to fit: ")[1].split(" characters")[0]
    assert notice == f"The prompt was cut to 2,000 characters. Left out: {left_out} characters of 'Task 0'"
    assert run.events.order_by("seq")[1].content == notice


def test_a_prompt_that_fits_tells_nothing(tasks):
    first, second = tasks[:2]
    second.blocked_by.add(first)
    carried_out(first, an_agent(options={"events": [["message", "x" * 5_000]]}))
    run = carried_out(second, an_agent(prompt_tokens=5_000))

    assert "x" * 5_000 in run.prompt
    assert notices(run) == []
