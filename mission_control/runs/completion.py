"""An executing project is completed with its last task."""

import uuid

from django.db.models.functions import Coalesce
from django.utils import timezone

from mission_control.feed import note_project
from mission_control.models import Project, Task


def complete_if_resolved(project_id: uuid.UUID | None) -> bool:
    """Complete an executing project whose tasks are all done or skipped, in the caller's transaction.

    Locks the project's row: of two who resolve its last tasks at once, the second sees what the first committed.
    The lock (FOR NO KEY UPDATE) lets pass what only refers to the project, as each end of a run does; call it
    behind the locks of runs and tasks.
    """
    if project_id is None:
        return False
    executing = Project.objects.filter(pk=project_id, status=Project.Status.EXECUTING)
    if not executing.select_for_update(no_key=True).values_list("pk").first():
        return False
    tasks = Task.objects.filter(project_id=project_id)
    if tasks.unresolved().exists() or not tasks.exists():
        return False
    now = timezone.now()
    executing.update(status=Project.Status.COMPLETED, completed_at=Coalesce("completed_at", now), updated_at=now)
    project = Project.objects.get(pk=project_id)
    note_project(project, f"Project completed: {project.title}", before="executing", status=project.status)
    return True
