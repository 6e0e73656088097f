"""Projects."""

import uuid
from pathlib import Path

from django.conf import settings
from django.db import models

from agents import rules
from agents.models import Agent


class Project(models.Model):
    """Tasks that belong together, with a requirements document and a working folder."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        PLANNING = "planning"
        AWAITING_APPROVAL = "awaiting_approval"
        APPROVED = "approved"
        EXECUTING = "executing"
        PAUSED = "paused"
        COMPLETED = "completed"
        FAILED = "failed"

    EDITABLE = (Status.DRAFT, Status.AWAITING_APPROVAL, Status.APPROVED)  # the plan can be edited
    NOT_STARTED = (*EDITABLE, Status.PLANNING)
    STARTABLE = (Status.DRAFT, Status.APPROVED)  # a plan that awaits approval is approved instead
    REPLANNABLE = (Status.FAILED, Status.AWAITING_APPROVAL)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    title = models.CharField(max_length=rules.TITLE_CHARS, validators=[rules.not_blank])
    description = models.TextField(max_length=rules.DESCRIPTION_CHARS, blank=True)
    status = models.CharField(max_length=20, choices=Status, default=Status.DRAFT)
    planner_agent = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.SET_NULL, related_name="planned_projects"
    )
    team_agents = models.ManyToManyField(Agent, blank=True, related_name="projects")
    prd_document = models.ForeignKey(
        "mission_control.Deliverable", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    creator_id = models.CharField(max_length=36, default="human")
    tags = models.JSONField(default=list, blank=True, validators=[rules.TagList()])
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[rules.json_object])

    class Meta:
        ordering = ["-updated_at", "id"]
        indexes = [
            models.Index(fields=["-updated_at", "id"], name="project_newest"),
            models.Index(fields=["status"], name="project_status"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def folder(self) -> Path:
        """The working folder of the project's agents; created when it is first needed."""
        return settings.PROJECTS_DIR / str(self.pk)
