"""The subject of an activity is a column; neither its sentence nor a change of wording decides it."""

import importlib

import pytest
from django.apps import apps

from mission_control.actions import agents, comments, documents, projects, reviews, tasks
from mission_control.actions.activity import note_run
from mission_control.models import Activity
from mission_control.realtime.changed_objects import changed_objects
from mission_control.web.activity.lines import FeedFilters, lines
from tests import make

pytestmark = pytest.mark.usefixtures("database")
Subject = Activity.Subject


def newest() -> Activity:
    return Activity.objects.order_by("-number")[0]


def test_every_action_says_what_its_activity_is_about():
    agent, user = make.agent(), make.user(username="ada")
    project = projects.create(title="Launch")
    assert newest().subject == Subject.PROJECT
    task = tasks.create(title="Write", project=project)
    assert newest().subject == Subject.TASK
    documents.create(title="Notes", content="…", task=task)
    assert newest().subject == Subject.DOCUMENT
    agents.change(agent, role="Editor")
    assert newest().subject == Subject.AGENT
    comments.post(task, "Done?", by=user)
    assert newest().subject == Subject.MESSAGE
    tasks.set_status(task, "review")
    reviews.approve(task, by=user)
    assert Subject.REVIEW in Activity.objects.values_list("subject", flat=True)


def test_open_pages_are_told_of_changes_by_the_subject_alone():
    project = make.project()
    task = make.task(project=project)
    told = Activity.objects.create(
        type="task_updated", message="Reworded", subject="project", project_id=project.pk
    )
    assert [change.project for change in changed_objects([told])] == [str(project.pk)]
    said = Activity.objects.create(type="task_updated", message="Reworded", subject="message", task=task)
    assert changed_objects([said]) == []


def test_a_title_leads_to_the_subject_of_its_line():
    project = make.project(title="Launch")
    task = make.task(title="Launch", project=project)
    projects.change(project, tags=["soon"])
    tasks.change(task, tags=["soon"])
    about_task, about_project = lines(FeedFilters.read({}))[:2]
    assert (about_task.task_id, about_task.project_id) == (task.pk, None)
    assert (about_project.task_id, about_project.project_id) == (None, project.pk)


def test_activities_of_earlier_versions_get_their_subject():
    run = make.run(make.task())
    projects.change(make.project(), tags=["soon"])
    note_run(run, "Ada started")
    before = dict(Activity.objects.values_list("pk", "subject"))
    assert {Subject.PROJECT, Subject.RUN, Subject.TASK} <= set(before.values())
    Activity.objects.update(subject="task")
    importlib.import_module("mission_control.migrations.0022_activity_subjects").fill(apps, None)
    assert dict(Activity.objects.values_list("pk", "subject")) == before
    assert {one.pk: Activity.subject_of(one.type, one.metadata) for one in Activity.objects.all()} == before
