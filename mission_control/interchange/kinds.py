"""Import objects of each kind: resolve references, keep times, and adapt values that cannot be true here."""

from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Model
from django.utils import timezone

from agents.models import Agent
from mission_control.actions import agents
from mission_control.compat.django_models import save_as_given
from mission_control.errors import Invalid
from mission_control.interchange import entries
from mission_control.interchange.references import HUMAN, NOWHERE, ExistingObjects
from mission_control.interchange.report import ObjectLocation, Report
from mission_control.models import Message, Notification, Project

Given = dict[str, Any]  # an object as its entry validated it


class KindImporter:
    """Imports the objects of one file. `BATCH` objects share a transaction."""

    FILE: ClassVar[str]
    ENTRY: ClassVar[type[entries.Entry]]
    MODEL: ClassVar[type[Model]]
    KEY: ClassVar[str] = "pk"  # the field that holds the contract's id
    BATCH: ClassVar[int] = 200

    def __init__(self, existing: ExistingObjects, report: Report) -> None:
        self.existing = existing
        self.report = report

    def prepare(self, path: Path) -> None:
        """Read the whole file before its objects are imported one by one."""

    def begin(self, batch: list[tuple[ObjectLocation, Given]]) -> dict[UUID, Any]:
        """Return the existing rows of a batch, locked, by the contract's id."""
        keys = [given["id"] for _, given in batch]
        rows = self.MODEL._default_manager.select_for_update(of=("self",)).filter(**{f"{self.KEY}__in": keys})
        return {getattr(row, self.KEY): row for row in rows}

    def is_newer_here(self, place: ObjectLocation, given: Given, row: Any) -> bool:
        """Return whether the existing row was changed after the file's object, and so must be kept."""
        if not hasattr(row, "updated_at"):
            return True  # it is never changed
        given_at = given.get("updated_at")
        return given_at is None or row.updated_at > given_at

    def store(self, place: ObjectLocation, given: Given, row: Any) -> bool:
        """Create or overwrite the object's row. Returns False if it was refused, which was reported."""
        values = self.values(place, given, row)
        if values is None:
            return False
        self.save(given, row or self.MODEL(**{self.KEY: given["id"]}), values, is_new=row is None)
        return True

    def values(self, place: ObjectLocation, given: Given, row: Any) -> dict[str, Any] | None:
        """Return the values of the model's fields; None if the object is refused."""
        raise NotImplementedError

    def save(self, given: Given, row: Any, values: dict[str, Any], *, is_new: bool) -> None:
        """Save the row with the object's times, which Django's `auto_now` would overwrite."""
        now = timezone.now()
        created = given.get("created_at") or (now if is_new else row.created_at)
        values["created_at"] = created
        if hasattr(row, "updated_at"):
            values["updated_at"] = given.get("updated_at") or created
        for name, value in values.items():
            setattr(row, name, value)
        save_as_given(row, is_new=is_new)

    def end(self) -> None:
        """Store what cannot be stored object by object; called at the end of each batch."""

    def refuse(self, place: ObjectLocation, field: str, reason: str) -> None:
        self.report.refused(place, field, reason)


def present_fields(given: Given, *names: str) -> dict[str, Any]:
    """Return the fields that the object has; the others keep the row's values or the model's defaults."""
    return {name: given[name] for name in names if name in given}


class AgentImporter(KindImporter):
    FILE, ENTRY, MODEL = "agents.json", entries.AgentEntry, Agent

    def __init__(self, existing: ExistingObjects, report: Report) -> None:
        super().__init__(existing, report)
        self._fallbacks: dict[UUID, tuple[ObjectLocation, UUID]] = {}  # they may be stored later

    def values(self, place: ObjectLocation, given: Given, row: Any) -> dict[str, Any]:
        values = present_fields(
            given,
            *("name", "role", "description", "session_key", "backend", "backend_options", "status", "level"),
            *("specialties", "last_heartbeat", "metadata"),
        )
        if values.get("status") == Agent.Status.ACTIVE:
            self.report.changed(place, "status", "It has no active run here: set to idle.")
            values["status"] = Agent.Status.IDLE
        self.existing.agent.add(given["id"])
        if fallback := given.get("fallback_agent_id"):
            self._fallbacks[given["id"]] = (place, fallback)
        return values

    def end(self) -> None:
        """Store the fallback agents, as far as they have been imported."""
        known = {key: found for key, found in self._fallbacks.items() if found[1] in self.existing.agent}
        for key, (place, fallback) in known.items():
            del self._fallbacks[key]
            found = Agent.objects.in_bulk([key, fallback])
            if len(found) < 2:  # one of them was refused, or it is the agent itself
                continue
            agent = found[key]
            agent.fallback_agent = found[fallback]
            try:
                agents.check_fallback(agent)
            except Invalid as refusal:
                self.report.dropped(place, "fallback_agent_id", refusal.detail)
                continue
            Agent.objects.filter(pk=key).update(fallback_agent=fallback)

    def save(self, given: Given, row: Any, values: dict[str, Any], *, is_new: bool) -> None:
        super().save(given, row, values, is_new=is_new)
        if not row.session_key:
            row.save(update_fields=["session_key"])  # the model derives one from the name


class ProjectImporter(KindImporter):
    FILE, ENTRY, MODEL = "projects.json", entries.ProjectEntry, Project
    # An active status is not taken over: the project would wait for ever, or start agents on its own.
    UNDER_WAY = {Project.Status.PLANNING: Project.Status.FAILED, Project.Status.EXECUTING: Project.Status.PAUSED}

    def __init__(self, existing: ExistingObjects, report: Report) -> None:
        super().__init__(existing, report)
        self.requirements: dict[UUID, tuple[ObjectLocation, UUID]] = {}  # documents are stored later

    def values(self, place: ObjectLocation, given: Given, row: Any) -> dict[str, Any]:
        values = present_fields(
            given, "title", "description", "status", "tags", "started_at", "completed_at", "metadata"
        )
        instead = self.UNDER_WAY.get(values.get("status", ""))
        if instead is not None:
            self.report.changed(place, "status", f"It has no active run here: set to {instead}.")
            values["status"] = instead
        values["planner_agent_id"] = self.existing.one(
            place, "planner_agent_id", "agent", given.get("planner_agent_id")
        )
        values["creator_id"] = self.existing.person(place, "creator_id", given.get("creator_id"), default=HUMAN)
        given["team"] = self.existing.many(place, "team_agent_ids", "agent", given.get("team_agent_ids", []))
        self.existing.project.add(given["id"])
        if given.get("prd_document_id"):
            self.requirements[given["id"]] = (place, given["prd_document_id"])
        return values

    def save(self, given: Given, row: Any, values: dict[str, Any], *, is_new: bool) -> None:
        super().save(given, row, values, is_new=is_new)
        row.team_agents.set(given["team"])


class MessageImporter(KindImporter):
    FILE, ENTRY, MODEL = "messages.json", entries.MessageEntry, Message

    def values(self, place: ObjectLocation, given: Given, row: Any) -> dict[str, Any] | None:
        if given["task_id"] not in self.existing.task:
            self.refuse(place, "task_id", NOWHERE.format(noun="task", key=given["task_id"]))
            return None
        values = present_fields(given, "task_id", "content", "mentions", "metadata")
        sender = self.existing.person(place, "from_agent_id", given.get("from_agent_id"), default=HUMAN)
        values["from_agent_id"] = None if sender == HUMAN else sender
        values["author_id"] = self.existing.user(place, "author", given.get("author"))
        attached = self.existing.many(place, "attachment_ids", "document", given.get("attachment_ids", []))
        values["attachment_ids"] = [str(key) for key in attached]
        self.existing.message.add(given["id"])
        return values


class NotificationImporter(KindImporter):
    FILE, ENTRY, MODEL = "notifications.json", entries.NotificationEntry, Notification

    def values(self, place: ObjectLocation, given: Given, row: Any) -> dict[str, Any] | None:
        agent = given.get("agent_id")
        if agent is not None and agent not in self.existing.agent:  # without an agent it would be for people
            self.refuse(place, "agent_id", NOWHERE.format(noun="agent", key=agent))
            return None
        values = present_fields(given, "type", "content", "agent_id", "metadata")
        for field, noun in (("source_message_id", "message"), ("source_task_id", "task")):
            values[field] = self.existing.one(place, field, noun, given.get(field))
        created: datetime = given.get("created_at") or timezone.now()
        delivered_at = given.get("delivered_at") or created
        values["delivered_at"] = delivered_at if given.get("delivered") else None
        values["read_at"] = delivered_at if given.get("read") else None
        return values
