"""Documents and their versions."""

import uuid

from django.db import models

from agents import rules
from mission_control.models.project import Project
from mission_control.models.task import Task


class Deliverable(models.Model):
    """A stored document (the API calls it Document): an agent's output, a PRD, a note.

    A change of content increases `version`; the content of each version is kept. The outputs of a task's runs are
    one deliverable with a version for each run.
    """

    class Type(models.TextChoices):
        DELIVERABLE = "deliverable"
        RESEARCH = "research"
        PROTOCOL = "protocol"
        TEMPLATE = "template"
        DRAFT = "draft"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    title = models.CharField(max_length=rules.DOCUMENT_TITLE_CHARS, validators=[rules.not_blank])
    content = models.TextField(blank=True, validators=[rules.content_size])
    type = models.CharField(max_length=12, choices=Type, default=Type.DRAFT)
    # A deliverable is kept when its task is deleted.
    task = models.ForeignKey(Task, null=True, blank=True, on_delete=models.SET_NULL, related_name="deliverables")
    project = models.ForeignKey(
        Project, null=True, blank=True, on_delete=models.CASCADE, related_name="deliverables"
    )
    run = models.ForeignKey(
        "mission_control.Run",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The latest run that produced this.",
    )
    author_id = models.CharField(max_length=36, null=True, blank=True)  # noqa: DJ001 - the contract says null
    tags = models.JSONField(default=list, blank=True, validators=[rules.TagList()])
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[rules.json_object])

    class Meta:
        ordering = ["-updated_at", "id"]
        indexes = [
            models.Index(fields=["-updated_at", "id"], name="deliverable_newest"),
            models.Index(fields=["type", "-updated_at", "id"], name="deliverable_type_newest"),
        ]

    def __str__(self) -> str:
        return self.title


class DeliverableVersion(models.Model):
    """The content of one version of a deliverable, including the newest."""

    deliverable = models.ForeignKey(Deliverable, on_delete=models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
    content = models.TextField(blank=True)
    run = models.OneToOneField(
        "mission_control.Run", null=True, blank=True, on_delete=models.SET_NULL, related_name="handed_in"
    )
    editor_id = models.CharField(max_length=36, null=True, blank=True)  # noqa: DJ001 - the contract says null
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["version"]
        constraints = [
            models.UniqueConstraint(fields=["deliverable", "version"], name="deliverable_version_once"),
        ]

    def __str__(self) -> str:
        return f"{self.deliverable_id} v{self.version}"
