"""The usage of runs: in a run, in sums by any grouping, in the admin."""

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q
from django.test import Client

from mission_control.formatting import dollars
from mission_control.models import Run, UsageRecord
from mission_control.queries import usage
from mission_control.runs.lifecycle import finish
from tests import make
from tests.api.answers import assert_names

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
UNKNOWN = {"input_tokens": None, "output_tokens": None, "cost_usd": None}


def ended(of=None, by=None, *, at=NOON, **took) -> Run:
    """Create a run that ended at that time with that usage."""
    run = make.run(of or make.task(), by or make.agent())
    changes = {"status": "completed", "finished_at": at, "started_at": at - timedelta(seconds=9), "slot": None}
    Run.objects.filter(pk=run.pk).update(**changes, **took)
    run.refresh_from_db()
    UsageRecord.of(run).save()
    return run


def asked(api, **query):
    query = {name.removesuffix("_"): value for name, value in query.items()}
    answer = api.get("usage", **query).json()
    assert answer["count"] == len(answer["usage"])
    return answer["usage"]


def test_what_a_run_took_is_null_where_it_is_not_known(api):
    run = ended(model="m", input_tokens=5, cost_usd=Decimal("0.0000001500"))

    assert api.get(f"runs/{run.pk}").json()["run"]["usage"] == {
        "model": "m", "input_tokens": 5, "output_tokens": None, "cost_usd": 1.5e-07,
    }  # fmt: skip
    [other] = api.get("runs", task_id=make.run().task_id).json()["runs"]
    assert other["usage"] == {"model": None, **UNKNOWN}


def test_by_day_sums_leave_out_what_is_not_known_and_say_of_how_many_runs_they_are(api):
    ended(input_tokens=10, output_tokens=1, cost_usd="0.25")
    ended(input_tokens=5, cost_usd="0.5")
    ended()
    ended(at=NOON + timedelta(days=1))

    assert asked(api) == [
        {"day": "2026-11-21", "runs": 1, "counted_runs": 0, "priced_runs": 0, **UNKNOWN},
        {
            "day": "2026-11-20", "runs": 3, "counted_runs": 2, "priced_runs": 2,
            "input_tokens": 15, "output_tokens": 1, "cost_usd": 0.75,
        },
    ]  # fmt: skip
    assert asked(api, group_by="day") == asked(api) == asked(api, group_by="")


def test_by_agent_project_and_task_the_rows_have_names_the_dearest_first(api):
    ada, bob = make.agent(name="Ada"), make.agent(name="Bob")
    project = make.project(title="Launch")
    task = make.task(title="Fly", project=project)
    ended(task, ada, cost_usd="1")
    ended(task, ada, cost_usd="2")
    ended(make.task(title="Sleep"), bob, cost_usd="5")

    def shown(group, *names):
        return [tuple(row[name] for name in (*names, "runs", "cost_usd")) for row in asked(api, group_by=group)]

    assert shown("agent", "agent_id", "agent_name") == [(str(bob.pk), "Bob", 1, 5.0), (str(ada.pk), "Ada", 2, 3.0)]
    assert shown("project", "project_id", "project_title") == [
        (None, None, 1, 5.0),
        (str(project.pk), "Launch", 2, 3.0),
    ]
    assert shown("task", "task_title") == [("Sleep", 1, 5.0), ("Fly", 2, 3.0)]
    assert asked(api, group_by="agent")[0].keys() == {
        "agent_id", "agent_name", "runs", "counted_runs", "priced_runs",
        "input_tokens", "output_tokens", "cost_usd",
    }  # fmt: skip


def test_a_model_that_is_not_known_is_null(api):
    ended(model="gpt", input_tokens=1)
    ended()
    ended()

    assert [(row["model"], row["runs"]) for row in asked(api, group_by="model")] == [("gpt", 1), (None, 2)]


def test_several_groups_make_a_row_for_each_pair_that_there_is(api):
    ada, bob = make.agent(name="Ada"), make.agent(name="Bob")
    ended(by=ada, cost_usd="1")
    ended(by=bob, cost_usd="2")
    ended(by=ada, cost_usd="3", at=NOON + timedelta(days=1))

    rows = asked(api, group_by="day,agent,day,")
    assert [(row["day"], row["agent_name"], row["cost_usd"]) for row in rows] == [
        ("2026-11-21", "Ada", 3.0),
        ("2026-11-20", "Bob", 2.0),
        ("2026-11-20", "Ada", 1.0),
    ]


def test_both_days_of_a_range_belong_to_it_from_midnight_to_midnight_of_utc(api):
    midnight = datetime(2026, 11, 20, tzinfo=UTC)
    for at in (midnight - timedelta(microseconds=1), midnight, midnight + timedelta(days=1, microseconds=-1)):
        ended(at=at)
    ended(at=midnight + timedelta(days=1))

    def days(**query):
        return [(row["day"][-2:], row["runs"]) for row in asked(api, **query)]

    assert days(from_="2026-11-20", to="2026-11-20") == [("20", 2)]
    assert days(from_="2026-11-20") == [("21", 1), ("20", 2)]
    assert days(to="2026-11-20") == [("20", 2), ("19", 1)]
    assert days(from_="0001-01-01", to="9999-12-31") == [("21", 1), ("20", 2), ("19", 1)]
    assert days(from_="2026-11-22") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("group_by", "week"),
        ("group_by", "day,owner"),
        ("from", "yesterday"),
        ("from", "2026-11-20T00:00:00Z"),
        ("to", "2026-02-30"),
        ("to", "20261120"),
        ("to", "٢٠٢٦-11-20"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_its_name(api, name, value):
    assert_names(api.get("usage", **{name: value}), name)


def test_runs_that_have_not_begun_or_not_ended_took_nothing_yet(api):
    begun, waiting = make.run(), make.run()
    Run.objects.filter(pk=begun.pk).update(status="running", claim_token=uuid.uuid4(), started_at=NOON)
    assert asked(api) == []

    assert finish(waiting.pk, Run.Status.STOPPED, guard=Q())
    assert asked(api) == []
    assert finish(begun.pk, Run.Status.ERROR, guard=Q(), usage={"model": "m", "input_tokens": 5})
    [row] = asked(api, group_by="model")
    assert (row["model"], row["runs"], row["input_tokens"], row["cost_usd"]) == ("m", 1, 5, None)


@pytest.mark.parametrize("gone", ["tasks", "projects"])
def test_what_was_spent_stays_spent_when_its_task_or_project_is_deleted(api, gone):
    ada, project = make.agent(name="Ada"), make.project()
    task = make.task(project=project)
    for run in (ended(task, ada, input_tokens=5, cost_usd="1"), ended(make.task(), ada, cost_usd="2")):
        assert Run.objects.filter(pk=run.pk).exists()
    before = {group: asked(api, group_by=group) for group in ("day", "agent", "model")}

    assert api.delete(f"{gone}/{task.pk if gone == 'tasks' else project.pk}").status_code in {200, 204}

    assert Run.objects.count() == 1
    assert {group: asked(api, group_by=group) for group in before} == before
    told = {row["task_title"]: row["cost_usd"] for row in asked(api, group_by="task")}
    assert told[None] == 1.0 and len(told) == 2
    by_project = {row["project_id"]: row["cost_usd"] for row in asked(api, group_by="project")}
    assert by_project == ({str(project.pk): 1.0, None: 2.0} if gone == "tasks" else {None: 3.0})


def test_the_runs_of_deleted_agents_are_one_row(api):
    for run in (ended(cost_usd="1"), ended(cost_usd="2")):
        run.agent.delete()

    [row] = asked(api, group_by="agent")
    assert (row["agent_id"], row["agent_name"], row["runs"], row["cost_usd"]) == (None, None, 2, 3.0)


def test_sums_are_listed_in_pages_with_a_constant_number_of_queries(api, django_assert_num_queries):
    for number in range(4):
        ended(make.task(title=f"T{number}"), cost_usd=number)
    with django_assert_num_queries(1 + 3):  # the token; the count, the page, the tasks' names
        page = api.get("usage", group_by="task", limit=2, offset=1).json()

    assert ([row["task_title"] for row in page["usage"]], page["count"]) == (["T2", "T1"], 4)
    assert page["next"] and page["previous"]


def test_whoever_may_not_see_runs_sees_no_sums(api):
    other = type(api)(make.user(may=["mission_control.view_task"]))
    assert other.get("usage").status_code == 403
    assert type(api)(make.user(may=["mission_control.view_run"])).get("usage").status_code == 200


@pytest.mark.embedded
@pytest.mark.parametrize("group", usage.GROUPS)
def test_sums_are_made_in_an_index_alone(group):
    plan = usage.sums(usage.completed_usage().filter(finished_at__gte=NOON), by=[group]).explain()
    assert "USING COVERING INDEX usage_sums (finished_at>?)" in plan


# ---------------------------------------------------------------- an agent's limits
def test_an_agents_limits_are_part_of_its_metadata_and_checked(api):
    made = api.made("agents", name="Ada", role="r", backend="demo", metadata={"limits": {"cost_usd": 0.5}, "x": 1})
    assert made["metadata"] == {"limits": {"cost_usd": 0.5}, "x": 1}

    assert_names(api.patch(f"agents/{made['id']}", {"metadata": {"limits": {"cost_usd": "much"}}}), "metadata")
    refused = {"name": "Bob", "role": "r", "backend": "demo", "metadata": {"limits": {"tokens": 1}}}
    assert_names(api.post("agents", refused), "metadata")


# ---------------------------------------------------------------- the admin
def test_the_admin_shows_what_runs_took(api):
    browser = Client()
    browser.force_login(api.user)
    run = ended(make.task(project=make.project()), input_tokens=12_000, output_tokens=345, cost_usd="0.0123")
    ended()

    page = browser.get("/admin/mission_control/run/").content.decode()
    assert "12,000 + 345" in page and "$0.0123" in page
    told = "1 runs, 12,000 tokens in, 345 tokens out, $0.0123 for 1 of them"
    for where in (
        f"mission_control/task/{run.task_id}",
        f"mission_control/project/{run.project_id}",
        f"agents/agent/{run.agent_id}",
    ):
        assert told in browser.get(f"/admin/{where}/change/").content.decode()
    assert browser.get("/admin/mission_control/task/add/").status_code == 200
    assert browser.get("/admin/agents/agent/add/").status_code == 200


def test_money_is_written_in_cents_and_of_little_nothing_is_lost():
    assert [dollars(amount) for amount in (0, 0.5, 1234.5, Decimal("0.0123"))] == [
        "$0.00", "$0.50", "$1,234.50", "$0.0123",
    ]  # fmt: skip


# ---------------------------------------------------------------- runs from before the usage columns existed
@pytest.fixture
def migrated_to(transactional_db):
    """Return a function that migrates to a state and returns its apps; restore the newest state afterwards."""
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()

    def migrate(name: str):
        return MigrationExecutor(connection).migrate([("mission_control", name)]).apps

    yield migrate
    MigrationExecutor(connection).migrate(newest)


def test_what_earlier_versions_kept_is_moved_into_the_columns_and_back(migrated_to):
    make.limit(5)
    keys = [make.run().pk for _ in range(4)]
    whole = {"model": "m", "input_tokens": 7, "output_tokens": 8, "cost_usd": 0.125}
    written = {"model": None, "input_tokens": None, "output_tokens": 9, "cost_usd": None}

    rows = migrated_to("0009_review_reminders").get_model("mission_control", "Run").objects
    rows.filter(pk=keys[0]).update(usage=whole)
    rows.filter(pk=keys[1]).update(usage={"model": None, "input_tokens": -1, "cost_usd": "much"})
    rows.filter(pk=keys[3]).update(usage={"output_tokens": 9})
    rows = migrated_to("0010_usage_columns").get_model("mission_control", "Run").objects
    columns = {row.pop("pk"): row for row in rows.values("pk", *whole)}
    assert columns[keys[0]] == {**whole, "cost_usd": Decimal("0.125")}
    assert columns[keys[1]] == columns[keys[2]] == {"model": "", **UNKNOWN}
    assert columns[keys[3]] == {**written, "model": ""}

    rows = migrated_to("0009_review_reminders").get_model("mission_control", "Run").objects
    kept = dict(rows.values_list("pk", "usage"))
    assert kept == {keys[0]: whole, keys[1]: {}, keys[2]: {}, keys[3]: written}


def test_what_runs_took_before_there_were_records_is_recorded(migrated_to):
    old, unstarted = ended(make.task(), cost_usd="0.125", input_tokens=7), ended()
    Run.objects.filter(pk=unstarted.pk).update(started_at=None)
    make.run()

    migrated_to("0010_usage_columns")
    records = migrated_to("0012_usage_records").get_model("mission_control", "UsageRecord").objects
    [row] = records.values("run_id", "finished_at", "agent", "task", "model", "input_tokens", "cost_usd")
    assert row == {
        "run_id": old.pk, "finished_at": NOON, "agent": old.agent_id, "task": old.task_id,
        "model": "", "input_tokens": 7, "cost_usd": Decimal("0.125"),
    }  # fmt: skip
