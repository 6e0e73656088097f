"""The sample project of the very first start: two tasks, the second built on the first, and two demo agents."""

from django.db import transaction

from agents.models import Agent
from mission_control.models import Assignment, Deliverable, Project, Task
from mission_control.runs.deliverables import keep

REQUIREMENTS = """\
# A page that says what Mission Control is

- One page, for somebody who has never run an AI agent.
- Says what a task, an agent and a run are, in a sentence each.
- Ends with the one thing to try first.
"""


def make() -> Project:
    """Make the sample in one transaction and return its project. It needs no key and no network."""
    with transaction.atomic():
        scout = Agent.objects.create(
            name="Scout",
            role="Researcher",
            description="Collects what is known before anybody writes.",
            specialties=["research"],
            backend="demo",
        )
        quill = Agent.objects.create(
            name="Quill",
            role="Writer",
            description="Turns notes into short, plain text.",
            specialties=["writing"],
            backend="demo",
        )
        project = Project.objects.create(
            title="Sample: a first page",
            description="Shows how a result flows from one task into the next. Delete it when you have seen it.",
            status=Project.Status.APPROVED,
        )
        project.team_agents.set([scout, quill])
        project.prd_document = keep(
            Deliverable(title="Requirements: a first page", content=REQUIREMENTS, project=project)
        )
        project.save(update_fields=["prd_document"])
        write = _task(project, quill, "Write the page", "Write the page from the notes. Keep it under 200 words.")
        collect = _task(project, scout, "Collect notes for the page", "Collect what the page must say, as a list.")
        write.blocked_by.add(collect)
    return project


def _task(project: Project, agent: Agent, title: str, description: str) -> Task:
    task = Task.objects.create(
        project=project, title=title, description=description, status=Task.Status.ASSIGNED, tags=["sample"]
    )
    Assignment.objects.create(task=task, agent=agent)
    return task
