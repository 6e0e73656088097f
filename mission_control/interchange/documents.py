"""Import documents, with each content as a version."""

from typing import Any

from mission_control.interchange import entries
from mission_control.interchange.kinds import Given, KindImporter, present_fields
from mission_control.interchange.report import ObjectLocation
from mission_control.models import Deliverable, DeliverableVersion


class DocumentImporter(KindImporter):
    FILE, ENTRY, MODEL = "documents.json", entries.DocumentEntry, Deliverable
    BATCH = 20  # of 5 MB each at most

    def values(self, place: ObjectLocation, given: Given, row: Any) -> dict[str, Any]:
        values = present_fields(given, "title", "content", "type", "tags", "metadata")
        task = self.existing.one(place, "task_id", "task", given.get("task_id"))
        project = self.existing.one(place, "project_id", "project", given.get("project_id"))
        belongs_to = self.existing.task[task] if task else None
        if task and project and project != belongs_to:
            self.report.dropped(place, "project_id", "The task belongs to another project.")
            project = None
        values["task_id"], values["project_id"] = task, project or belongs_to
        values["author_id"] = self.existing.person(place, "author_id", given.get("author_id"))
        values["version"] = max(given.get("version", 1), 1)
        if row is not None:
            values["version"] = self._next_version(row, values)
        self.existing.document.add(given["id"])
        return values

    def _next_version(self, row: Deliverable, values: dict[str, Any]) -> int:
        """Return the version of the stored document: a new one only for different content."""
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
