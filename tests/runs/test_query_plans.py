"""The queries of each poll must not scan all runs of the past."""

import time
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from mission_control.models import Notification, Run, Task
from mission_control.models.agents import with_runs
from mission_control.realtime.activity_reader import ActivityGapTracker
from mission_control.realtime.run_positions import read_positions, recently_active
from mission_control.runs.preparation import upstream_of
from mission_control.runs.slots import capacity, free_slots
from tests import make

HOT = {
    "free slots": free_slots,
    "capacity": capacity,
    "who waits": lambda: Run.objects.waiting().exists(),
    "is the task active": lambda: Run.objects.active().filter(task_id=make.task().pk).exists(),
    "what moves": lambda: read_positions(
        Q(status__in=Run.ACTIVE) | Q(pk__in=[]) | Q(queued_at__gte=timezone.now() - timedelta(seconds=5))
    ),
    "what moved lately": lambda: read_positions(recently_active()),
    "what a queue look orders": lambda: list(Run.objects.waiting()[:1]),
}


@pytest.mark.embedded
@pytest.mark.django_db
@pytest.mark.parametrize("name", HOT)
def test_a_look_at_the_active_runs_uses_an_index(name):
    plans = []

    def explain(execute, sql, params, many, context):
        # With parameters, as the product sends them: then SQLite uses no partial index.
        if sql.startswith("SELECT") and '"mission_control_run"' in sql:
            plans.append(context["cursor"].connection.cursor().execute(question(sql), params).fetchall())
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        HOT[name]()
    assert plans
    assert not [step for plan in plans for *_, step in plan if step.startswith("SCAN mission_control_run")]


@pytest.mark.embedded
@pytest.mark.django_db
def test_what_an_agent_runs_is_found_without_going_through_all_that_it_ever_ran():
    plan = with_runs().explain()
    assert "run_agent_status (agent_id=? AND status=?)" in plan
    assert "run_agent_newest" not in plan


@pytest.mark.embedded
@pytest.mark.django_db
@pytest.mark.parametrize(
    "conditions",
    [{"delivered_at": None}, {"read_at": None}, {"delivered_at": None, "read_at": None}],
    ids=["undelivered", "unread", "both"],
)
def test_notifications_are_counted_in_an_index_alone_and_listed_in_its_order(conditions):
    rows = Notification.objects.filter(**conditions)
    assert "USING COVERING INDEX" in rows.order_by().values("pk").explain()
    plan = rows[:100].explain()
    assert "TEMP B-TREE" not in plan
    assert "SEARCH" in plan


@pytest.mark.embedded
@pytest.mark.django_db
def test_what_a_prompt_is_made_of_is_found_by_the_task():
    """One task's query must not scan all deliverables, or all tasks that were ever done."""
    task = make.task(blocked_by=[make.task() for _ in range(3)])
    task.blocked_by.update(status=Task.Status.DONE)
    steps = steps_of(lambda: upstream_of(task))
    assert [step for step in steps if "(type=?" in step or "(status=?" in step or step.startswith("SCAN")] == []


@pytest.mark.embedded
@pytest.mark.django_db
def test_a_look_for_lines_of_the_feed_that_were_passed_over_begins_at_the_first_of_them():
    for _ in range(5):
        make.task()
    unread = ActivityGapTracker()
    unread.gaps = {unread.number - 1: time.monotonic()}
    assert [step for step in steps_of(lambda: unread.read(10)) if step.startswith("SCAN")] == []


def steps_of(look) -> list[str]:
    """Return the steps of SQLite's plans for the queries of a function."""
    steps = []

    def explain(execute, sql, params, many, context):
        steps.extend(context["cursor"].connection.cursor().execute(question(sql), params).fetchall())
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        look()
    assert steps
    return [step for *_, step in steps]


def question(sql: str) -> str:
    return f"EXPLAIN QUERY PLAN {sql}".replace("%s", "?").replace("%%", "%")
