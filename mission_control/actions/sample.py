"""The sample project of the first start: two tasks, the second based on the first, and two demo agents."""

from datetime import timedelta

from django.db import transaction

from mission_control.actions import agents, documents, projects, tasks
from mission_control.models import Project, Task

REQUIREMENTS = """\
# A one-page introduction to Mission Control

- One page, for someone who has never run an AI agent.
- Explains task, agent and run in one sentence each.
- Ends with the one thing to try first.
"""


def create() -> Project:
    """Create the sample in one transaction and return its project. It needs no API key and no network."""
    with transaction.atomic():
        scout = agents.create(
            name="Scout",
            role="Researcher",
            description="Gathers background before anyone writes.",
            specialties=["research"],
            backend="demo",
        )
        quill = agents.create(
            name="Quill",
            role="Writer",
            description="Turns notes into short, plain text.",
            specialties=["writing"],
            backend="demo",
        )
        project = projects.create(
            title="Sample project",
            description="Shows how one task's result feeds the next. Safe to delete.",
            team_agents=[scout, quill],
        )
        requirements = documents.create(title="Sample requirements", content=REQUIREMENTS, project=project)
        projects.change(project, prd_document=requirements, status=Project.Status.APPROVED)
        collect = tasks.create(
            title="Collect notes for the page",
            description="List what the page must say.",
            project=project,
            assignees=[scout],
            tags=["sample"],
        )
        write = tasks.create(
            title="Write the page",
            description="Write the page from the notes. Keep it under 200 words.",
            project=project,
            assignees=[quill],
            blocked_by=[collect],
            tags=["sample"],
        )
        # The first task to do is first in the list.
        Task.objects.filter(pk=collect.pk).update(updated_at=write.updated_at + timedelta(milliseconds=1))
    return project
