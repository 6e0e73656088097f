"""The progress of a project, and the number of files in its folder."""

import os
from pathlib import Path

from django.db.models import Count, Q

from mission_control.models import Project, Task

MAX_FILES = 10_000  # an agent may unpack half a million, and counting them would take too long


def progress(project: Project) -> dict[str, int | float]:
    """Return `progress` as the API contract defines it, in one query."""
    status = Task.Status
    counts = Task.objects.filter(project=project).aggregate(
        total=Count("pk"),
        completed=Count("pk", filter=Q(status=status.DONE)),
        skipped=Count("pk", filter=Q(status=status.SKIPPED)),
        in_progress=Count("pk", filter=Q(status=status.IN_PROGRESS)),
        blocked=Count("pk", filter=Q(status=status.BLOCKED)),
        human_pending=Count("pk", filter=Q(task_type=Task.Type.HUMAN) & ~Q(status__in=Task.RESOLVED)),
    )
    resolved = counts["completed"] + counts["skipped"]
    return {**counts, "percent": round(resolved / counts["total"] * 100, 1) if counts["total"] else 0.0}


def count_files(folder: Path) -> int:
    """Return the number of files below a folder, up to MAX_FILES; 0 without a folder. Does not follow links."""
    number = 0
    for _, _, files in os.walk(folder):
        number += len(files)
        if number >= MAX_FILES:
            return MAX_FILES
    return number
