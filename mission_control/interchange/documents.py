"""How documents are stored, each content as a version."""

from typing import Any

from mission_control.interchange import entries
from mission_control.interchange.kinds import Given, Kind, given_only
from mission_control.interchange.report import Place
from mission_control.models import Deliverable, DeliverableVersion


class Documents(Kind):
    FILE, ENTRY, MODEL = "documents.json", entries.DocumentEntry, Deliverable
    BATCH = 20  # of 5 MB each at most

    def values(self, place: Place, given: Given, row: Any) -> dict[str, Any]:
        values = given_only(given, "title", "content", "type", "tags", "metadata")
        task = self.here.one(place, "task_id", "task", given.get("task_id"))
        project = self.here.one(place, "project_id", "project", given.get("project_id"))
        belongs_to = self.here.task[task] if task else None
        if task and project and project != belongs_to:
            self.report.dropped(place, "project_id", "The task belongs to another project.")
            project = None
        values["task_id"], values["project_id"] = task, project or belongs_to
        values["author_id"] = self.here.person(place, "author_id", given.get("author_id"))
        values["version"] = max(given.get("version", 1), 1)
        if row is not None:
            values["version"] = self._next_version(row, values)
        self.here.document.add(given["id"])
        return values

    def _next_version(self, row: Deliverable, values: dict[str, Any]) -> int:
        """Return the version that the document here gets: another one only for another content."""
        version: int = values["version"]
        if values.get("content", row.content) == row.content:
            return max(version, row.version)
        return max(version, row.version + 1)

    def save(self, given: Given, row: Any, values: dict[str, Any], *, is_new: bool) -> None:
        super().save(given, row, values, is_new=is_new)
        kept, made = DeliverableVersion.objects.get_or_create(
            deliverable=row,
            version=row.version,
            defaults={"content": row.content, "editor_id": row.author_id},
        )
        if made:
            DeliverableVersion.objects.filter(pk=kept.pk).update(created_at=row.updated_at)
