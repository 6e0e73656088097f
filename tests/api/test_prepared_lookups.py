"""A query that is compiled once finds the current rows, each time anew."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from mission_control.api import querysets
from mission_control.compat.django_models import PreparedLookup, PreparedQuery, PreparedValues
from mission_control.models import AccessToken, Assignment, Message, Run, Task
from tests import make


def test_it_finds_each_row_with_its_current_values_and_what_is_loaded_with_it(
    database, django_assert_max_num_queries
):
    agent = make.agent()
    tasks = [make.task(assignees=[agent]), make.task()]
    lookup = PreparedLookup(querysets.tasks)
    for task in tasks:
        found = lookup.get(task.pk)
        assert found == task
        assert found.assignee_ids == task.assignee_ids
    Task.objects.filter(pk=tasks[0].pk).update(title="Changed")
    make.run(tasks[0], agent)
    with django_assert_max_num_queries(3):
        found = lookup.get(tasks[0].pk)
        assert (found.title, found.last_run.status) == ("Changed", Run.Status.QUEUED)
    assert lookup.get(uuid.uuid4()) is None


def test_it_finds_annotated_and_prefetched_rows(database, django_assert_num_queries):
    agent, other = make.agent(), make.agent()
    make.run(make.task(), agent)
    agents: PreparedLookup[Any] = PreparedLookup(querysets.agents)
    assert [agents.get(row.pk).running_count for row in (other, agent)] == [0, 1]
    project = make.project()
    project.team_agents.add(agent)
    projects = PreparedLookup(querysets.projects)
    with django_assert_num_queries(2):
        assert [row.pk for row in projects.get(project.pk).team_agents.all()] == [agent.pk]


def test_it_finds_a_row_by_another_field_than_its_key(database):
    make.token()
    token = AccessToken.objects.get()
    lookup = PreparedLookup(AccessToken.objects.all, "digest")
    assert lookup.get(token.digest) == token
    assert lookup.get("0" * 128) is None


@pytest.mark.django_db(transaction=True)
def test_threads_share_it_and_use_connections_of_their_own():
    tasks = [make.task() for _ in range(4)]
    lookup = PreparedLookup(querysets.tasks)

    def find(task: Task) -> bool:
        try:
            return all(lookup.get(task.pk) == task for _ in range(20))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(find, tasks))


def test_it_finds_all_rows_of_a_field_in_the_order_of_the_queryset(database):
    task, other = make.task(), make.task()
    written = [Message.objects.create(task=task, content=text) for text in ("first", "second")]
    Message.objects.create(task=other, content="elsewhere")
    lookup = PreparedLookup(querysets.messages, "task")
    assert lookup.all(task.pk) == written
    assert lookup.all(uuid.uuid4()) == []


def test_values_are_found_of_any_number_of_keys(database, django_assert_num_queries):
    tasks = [make.task(assignees=[make.agent()]) for _ in range(4)]
    rows = Assignment.objects.order_by("task__created_at")
    prepared = PreparedValues(lambda keys: rows.filter(task__pk__any_of=keys).values_list("task_id", "agent_id"))
    pairs = [(task.pk, task.assignee_ids[0]) for task in tasks]
    with django_assert_num_queries(3):
        assert prepared.of([tasks[0].pk]) == pairs[:1]
        assert prepared.of([task.pk for task in tasks]) == pairs
        assert prepared.of([uuid.uuid4()]) == []
    with django_assert_num_queries(0):
        assert prepared.of([]) == []


def test_a_query_without_a_value_finds_the_current_rows(database):
    waiting = PreparedQuery(lambda: Run.objects.waiting().order_by().values_list("pk")[:1])
    assert waiting.all() == []
    make.limit(1)
    make.run()
    run = make.run(when_full="queue")
    assert waiting.all() == [(run.pk,)]
