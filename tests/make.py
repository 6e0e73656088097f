"""Builders: each creates one valid object with the product's actions, and takes the values that should differ."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Q

from agents.backends.base import Question as Asked
from agents.models import Agent
from mission_control.actions import agents, documents, projects, tasks
from mission_control.models import AccessToken, Capacity, Deliverable, Project, Question, Run, Task
from mission_control.runs import questions
from mission_control.runs.admission import admit
from mission_control.runs.lifecycle import claim

_numbers = count(1)


@contextmanager
def migrated_by_a_newer_version() -> Iterator[None]:
    """Make the database appear migrated by a newer version. The clean-up between tests does not undo this."""
    recorder = MigrationRecorder(connection)
    recorder.record_applied("mission_control", "9999_from_the_future")
    try:
        yield
    finally:
        recorder.record_unapplied("mission_control", "9999_from_the_future")


def user(*, may: list[str] | None = None, **fields):
    """Return a user with these permissions (`app_label.codename`), or a superuser without any."""
    fields = {"username": f"user{next(_numbers)}", "is_superuser": may is None, "is_staff": may is None, **fields}
    made = get_user_model().objects.create(**fields)
    for permission in may or []:
        app, _, codename = permission.partition(".")
        made.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return made


def token(owner=None, **fields) -> str:
    """Return an access token of the user, by default a superuser."""
    return AccessToken.objects.create(user=owner or user(), **fields)[1]


def agent(**fields) -> Agent:
    return agents.create(**{"name": "Demo", "role": "Rehearser", "backend": "demo", **fields})


def task(**fields) -> Task:
    return tasks.create(**{"title": f"Task {next(_numbers)}", **fields})


def project(**fields) -> Project:
    return projects.create(**{"title": f"Project {next(_numbers)}", **fields})


def document(**fields) -> Deliverable:
    return documents.create(**{"title": f"Document {next(_numbers)}", "content": "Text", **fields})


def run(of: Task | None = None, by: Agent | None = None, **options) -> Run:
    """Return an admitted run: queued, or waiting with `when_full="queue"` if no slot is free."""
    return admit(of or task(), by or agent(), **options)


def question(asked: Asked | None = None, *, run: Run | None = None) -> Question:
    """Return an open question, by default of a new run that is claimed but not executed."""
    run = run or claim(admit(task(), agent()).pk, worker="test")
    assert run is not None
    return questions.create(run, asked or Asked("Which?"), guard=Q(claim_token=run.claim_token))


def limit(number: int) -> None:
    """Set the limit, also if the tables were emptied and its row with them."""
    Capacity.objects.update_or_create(pk=Capacity.THE_ROW, defaults={"limit": number})
