"""Clients learn what a deletion changes elsewhere: the frames are derived from its activity entry."""

import json

import pytest

from mission_control.actions import agents, documents, projects, tasks
from mission_control.models import Activity
from mission_control.realtime.changed_objects import changed_objects
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)


def told(delete, gone) -> dict[str, dict]:
    """Delete an object, and return by id what the frames then show."""
    before = set(Activity.objects.values_list("number", flat=True))
    delete(gone)
    lines = list(Activity.objects.exclude(number__in=before).order_by("number"))
    shown = {}
    for change in changed_objects(lines):
        data = json.loads(change.frame.data)
        shown[change.key] = data.get("task") or data.get("project")
    return {str(key): value for key, value in shown.items()}


def test_an_agent_leaves_its_tasks_and_its_teams():
    agent, other = make.agent(), make.agent()
    task = tasks.create(title="Its task", assignees=[agent, other])
    project = projects.create(title="Its team", team_agents=[agent], planner_agent=agent)
    shown = told(agents.delete, agent)
    assert shown[str(task.pk)]["assignee_ids"] == [str(other.pk)]
    assert (shown[str(project.pk)]["team_agent_ids"], shown[str(project.pk)]["planner_agent_id"]) == ([], None)


def test_a_project_leaves_the_tasks_that_depended_on_its_tasks():
    project = projects.create(title="Goes")
    outside = tasks.create(title="Of no project")
    inside = tasks.create(title="Goes with it", project=project, blocked_by=[outside])
    part = tasks.create(title="A part", parent_task=inside)
    shown = told(projects.delete, project)
    assert shown[str(outside.pk)]["blocks"] == []
    assert shown[str(part.pk)]["parent_task_id"] is None


def test_a_document_leaves_the_projects_that_required_it():
    prd = documents.create(title="PRD", content="x")
    project = projects.create(title="Planned", prd_document=prd)
    assert told(documents.delete, prd)[str(project.pk)]["prd_document_id"] is None
