"""Files that people put into the working folders of agents."""

import uuid
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.http import urlencode

from agents.file_kinds import IMAGES
from agents.folders import PATH_CHARS
from mission_control.models.project import Project
from mission_control.models.task import Task


def content_url(project_id: uuid.UUID | None, task_id: uuid.UUID | None) -> str:
    """Return the address of the content of files in a working folder, without a path; empty if there is none."""
    if project_id:
        return reverse("api-projects-content", args=[project_id])
    return reverse("api-tasks-content", args=[task_id]) if task_id else ""


class AttachedFileQuerySet(models.QuerySet["AttachedFile"]):
    """Filters by where the files are."""

    def may_concern(self, task: Any, project: Any) -> Self:
        """Keep the files of the task and of its project, given by their ids or as references to them."""
        return self.filter(Q(task=task) | Q(project=project))


class AttachedFile(models.Model):
    """A file that a person attached to a task, or to a project as a whole.

    The file itself is in the working folder: that of `project`, or without one that of the task. Agents may change
    or delete it; size and content type are those at the upload. Messages name the files attached to them in their
    `attachment_ids`. Rows follow the permissions of their task or project.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(
        Project, null=True, blank=True, on_delete=models.CASCADE, related_name="attached_files", db_index=False
    )
    task = models.ForeignKey(
        Task, null=True, blank=True, on_delete=models.CASCADE, related_name="attached_files", db_index=False
    )
    path = models.CharField(max_length=PATH_CHARS, help_text="Relative to the working folder.")
    size = models.PositiveBigIntegerField(help_text="In bytes.")
    content_type = models.CharField(max_length=100, help_text="Decided by the content.")
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AttachedFileQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "id"]
        default_permissions = ()
        indexes = [
            models.Index(fields=["task", "created_at", "id"], name="attached_file_of_task"),
            models.Index(fields=["project", "created_at", "id"], name="attached_file_of_project"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(project__isnull=False) | Q(task__isnull=False), name="attached_file_has_a_folder"
            ),
        ]

    def __str__(self) -> str:
        return self.path

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def url(self) -> str:
        """Return the address of its content."""
        return f"{content_url(self.project_id, self.task_id)}?{urlencode({'path': self.path})}"

    @property
    def is_image(self) -> bool:
        return self.content_type in IMAGES
