"""Import tasks, and after all of them their dependencies."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db import transaction

from mission_control.actions.activity import note
from mission_control.actions.tasks import lock_dependencies
from mission_control.api.serializers.tasks import TaskFields
from mission_control.interchange import entries
from mission_control.interchange.kinds import Given, KindImporter, present_fields
from mission_control.interchange.references import ExistingObjects
from mission_control.interchange.report import ObjectLocation, Report
from mission_control.models import Activity, Assignment, Run, Task
from mission_control.scheduling.dependencies import Edge, Edges, break_cycles

AT_ONCE = 500


class TaskImporter(KindImporter):
    FILE, ENTRY, MODEL = "tasks.json", entries.TaskEntry, Task

    def __init__(self, existing: ExistingObjects, report: Report) -> None:
        super().__init__(existing, report)
        self.places: dict[UUID, ObjectLocation] = {}  # of the tasks that were stored
        self.waits: dict[UUID, list[UUID]] = {}
        self.parents: dict[UUID, UUID] = {}
        self._active: set[UUID | None] = set()
        self._assignments: dict[UUID, list[UUID]] = {}
        self._interrupted: list[tuple[UUID, str]] = []

    def begin(self, batch: list[tuple[ObjectLocation, Given]]) -> dict[UUID, Any]:
        rows = super().begin(batch)
        self._active = set(Run.objects.active().filter(task__in=list(rows)).values_list("task_id", flat=True))
        return rows

    def values(self, place: ObjectLocation, given: Given, row: Any) -> dict[str, Any] | None:
        if given["id"] in self._active:
            self.refuse(place, "id", "The task has an active run here.")
            return None
        written = (*TaskFields().fields, "status", "started_at", "completed_at", "metadata")
        values = present_fields(given, *written)
        assignees = self.existing.many(place, "assignee_ids", "agent", given.get("assignee_ids", []))
        values["project_id"] = self.existing.one(place, "project_id", "project", given.get("project_id"))
        values["creator_id"] = self.existing.person(place, "creator_id", given.get("creator_id"))
        self._reset_interrupted_task(place, given["id"], values, row, assigned=bool(assignees))
        self._remember(place, given, assignees, values["project_id"])
        return values

    def _reset_interrupted_task(
        self, place: ObjectLocation, key: UUID, values: dict[str, Any], row: Any, *, assigned: bool
    ) -> None:
        """Reset a task that an agent was working on, because its run does not continue here.

        Tasks in progress by people are kept. The reason is written to the feed once.
        """
        is_agents = values.get("task_type", Task.Type.AGENT) == Task.Type.AGENT
        if values.get("status") != Task.Status.IN_PROGRESS or not is_agents:
            return
        status = Task.Status.ASSIGNED if assigned else Task.Status.BLOCKED
        values["status"] = status
        self.report.changed(place, "status", f"It was in progress but has no active run here: set to {status}.")
        if row is None or row.status != status:
            self._interrupted.append((key, status))

    def _remember(self, place: ObjectLocation, given: Given, assignees: list[UUID], project: UUID | None) -> None:
        """Remember what is stored later: assignments after the batch, references to tasks after all tasks."""
        key = given["id"]
        self.existing.task[key] = project
        self.places[key] = place
        self._assignments[key] = assignees
        self.waits[key] = given.get("blocked_by", [])
        if given.get("parent_task_id"):
            self.parents[key] = given["parent_task_id"]

    def end(self) -> None:
        """Store the assignments of a batch, and write why interrupted tasks wait."""
        keys = list(self._assignments)
        Assignment.objects.filter(task__in=keys).delete()
        Assignment.objects.bulk_create(
            Assignment(task_id=key, agent_id=agent, place=place)
            for key, agents in self._assignments.items()
            for place, agent in enumerate(agents)
        )
        interrupted = Task.objects.in_bulk([key for key, _ in self._interrupted])
        for key, status in self._interrupted:
            message = f"“{interrupted[key].title}” was in progress where it was imported from. It is now {status}"
            note(Activity.Type.TASK_UPDATED, message, task=interrupted[key], before="in_progress", status=status)
        self._assignments.clear()
        self._interrupted.clear()

    # ------------------------------------------------------------ after all tasks
    @transaction.atomic
    def link(self) -> None:
        """Store parents and dependencies; leave out references to missing tasks and cycles."""
        lock_dependencies()
        self._link_parents()
        self._link_blockers()

    def _link_parents(self) -> None:
        for part in _parts(list(self.places)):
            Task.objects.filter(pk__in=part).update(parent_task=None)
        for key, parent in self.parents.items():
            place = self.places[key]
            if parent == key:
                self.report.dropped(place, "parent_task_id", "A task cannot be its own parent.")
            elif self.existing.one(place, "parent_task_id", "task", parent):
                Task.objects.filter(pk=key).update(parent_task=parent)

    def _link_blockers(self) -> None:
        through = Task.blocked_by.through.objects
        for part in _parts(list(self.places)):
            through.filter(from_task__in=part).delete()
        edges: Edges = {}
        for key, blocker in through.values_list("from_task_id", "to_task_id"):
            edges.setdefault(key, []).append(blocker)
        new = dict.fromkeys(self._sound_edges())  # in the files' order
        for key, blocker in new:
            edges.setdefault(key, []).append(blocker)
        for key, blocker in break_cycles(edges, new):
            self.report.dropped(
                self.places[key], "blocked_by", f"Depending on {blocker} would create a circular dependency."
            )
            del new[key, blocker]
        rows = [through.model(from_task_id=key, to_task_id=blocker) for key, blocker in new]
        through.bulk_create(rows, batch_size=AT_ONCE)

    def _sound_edges(self) -> Iterator[Edge]:
        """Yield the dependencies between existing tasks of the same project."""
        for key, blockers in self.waits.items():
            place, project = self.places[key], self.existing.task[key]
            for blocker in self.existing.many(place, "blocked_by", "task", blockers):
                if self.existing.task[blocker] not in (None, project):
                    self.report.dropped(place, "blocked_by", f"Task {blocker} belongs to another project.")
                else:
                    yield key, blocker


def _parts(keys: list[UUID]) -> Iterator[list[UUID]]:
    for start in range(0, len(keys), AT_ONCE):
        yield keys[start : start + AT_ONCE]
