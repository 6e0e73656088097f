"""Resolve references to existing objects, and report those to missing ones."""

from uuid import UUID

from django.contrib.auth.models import User

from agents.models import Agent
from mission_control.interchange.report import ObjectLocation, Report
from mission_control.models import Deliverable, Message, Project, Task
from mission_control.text import as_uuid

HUMAN = "human"
NOWHERE = "There is no {noun} with the id {key}."


class ExistingObjects:
    """The ids of all existing objects: loaded once, and extended as objects are imported."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.agent: set[UUID] = set(Agent.objects.values_list("pk", flat=True))
        self.project: set[UUID] = set(Project.objects.values_list("pk", flat=True))
        # The projects of tasks are needed too often to query them each time.
        self.task: dict[UUID, UUID | None] = dict(Task.objects.values_list("pk", "project_id"))
        self.document: set[UUID] = set(Deliverable.objects.values_list("pk", flat=True))
        self.message: set[UUID] = set(Message.objects.values_list("pk", flat=True))
        self.users: dict[str, int] = dict(User.objects.values_list("username", "pk"))

    def one(self, place: ObjectLocation, field: str, noun: str, key: UUID | None) -> UUID | None:
        """Return the id if its object exists; otherwise report it and return None."""
        if key is None or key in getattr(self, noun):
            return key
        self.report.dropped(place, field, NOWHERE.format(noun=noun, key=key))
        return None

    def many(self, place: ObjectLocation, field: str, noun: str, keys: list[UUID]) -> list[UUID]:
        return [key for key in keys if self.one(place, field, noun, key) is not None]

    def person(
        self, place: ObjectLocation, field: str, text: str | None, *, default: str | None = None
    ) -> str | None:
        """Return `human` or an agent's id; the default for null, and for an unknown id, which is reported."""
        if not text or text == HUMAN:
            return text or default
        key = as_uuid(text)
        if key is not None and key in self.agent:
            return str(key)
        self.report.dropped(place, field, "Must be human or the id of an agent.")
        return default

    def user(self, place: ObjectLocation, field: str, name: str | None) -> int | None:
        if name is None or name in self.users:
            return self.users[name] if name else None
        self.report.dropped(place, field, "There is no user with this name.")
        return None
