"""What the API shows of a row is what REST framework shows of its declared fields."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from rest_framework import serializers

from agents.models import Agent
from mission_control.actions import reviews, tasks
from mission_control.actions.tokens import create_token
from mission_control.api import querysets, urls  # noqa: F401 - the latter imports all readers
from mission_control.api.serializers.access import NewTokenReader, TokenReader
from mission_control.api.serializers.reader import Reader, steps_of
from mission_control.models import (
    AccessToken,
    Activity,
    AttachedFile,
    Deliverable,
    Message,
    Notification,
    Project,
    Question,
    Run,
    Task,
)
from mission_control.runs.lifecycle import stop
from tests import make

ROWS = {
    Agent: querysets.agents,
    Project: querysets.projects,
    Task: querysets.tasks,
    Deliverable: querysets.documents,
    Run: querysets.runs,
    Message: querysets.messages,
    Activity: querysets.activities,
    Notification: querysets.notifications,
    Question: querysets.questions,
}


def readers(base: type[Reader] = Reader) -> Iterator[type[Reader]]:
    for reader in base.__subclasses__():
        yield reader
        yield from readers(reader)


@pytest.fixture
def filled(database):
    user, agent, project = make.user(), make.agent(), make.project()
    first = make.task(project=project, assignees=[agent], tags=["a"], metadata={"b": [1, None]})
    second = make.task(project=project, blocked_by=[first], due_date=datetime(2026, 11, 30, 9, 30, 0, 120, UTC))
    stop(make.run(first, agent), wait_seconds=0)
    make.run(make.task(), agent)
    tasks.set_status(second, Task.Status.REVIEW)
    reviews.approve(second, by=user)
    make.document(task=first, project=project)
    create_token(user, name="One", days=3)
    create_token(user, name="Two")
    Message.objects.create(task=first, author=user, content="Hello", mentions=["ada"])
    Message.objects.create(task=first, from_agent=agent, content="Hello")
    make.question()
    AttachedFile.objects.create(task=first, project=project, path="inputs/a.png", size=3, content_type="image/png")


def test_every_reader_shows_of_every_row_what_its_fields_show(filled):
    shown = set()
    for reader in readers():
        model: Any = reader.Meta.model
        for row in ROWS.get(model, model._default_manager.all)():
            if reader is NewTokenReader:
                row.value = "of a new token"
            expected = serializers.ModelSerializer.to_representation(reader(), row)
            assert Reader.to_representation(reader(), row) == expected
            shown.add(reader)
    assert shown == {*readers()}


def test_a_reader_shows_a_time_of_another_zone_in_utc():
    zone = timezone(timedelta(hours=2))
    token = AccessToken(created=datetime(2026, 11, 30, 11, 30, tzinfo=zone), expiry=None)
    assert TokenReader(token).data["created_at"] == "2026-11-30T09:30:00Z"


def test_the_fields_of_a_reader_are_built_once():
    assert steps_of(TokenReader) is steps_of(TokenReader)
