"""What a person does to a task with one gesture: move its card, assign it, change what blocks it."""

import pytest

from mission_control.actions import agent_tests, notifications, ordering, requirements, tasks
from mission_control.errors import NotAllowed
from mission_control.models import Notification, Run, Task
from tests import make

pytestmark = pytest.mark.usefixtures("database")

Status = Task.Status
RUNS, EDITS = "mission_control.add_run", "mission_control.change_task"


def status(task) -> str:
    return Task.objects.get(pk=task.pk).status


def test_an_agents_task_is_moved_to_in_progress_by_a_run_of_its_first_assignee():
    first, second = make.agent(), make.agent()
    task = make.task(assignees=[first, second])
    run = ordering.move_card(task, to=Status.IN_PROGRESS, by=make.user(may=[RUNS]))
    assert run is not None and (run.agent, run.status) == (first, Run.Status.QUEUED)
    assert status(task) == Status.IN_PROGRESS


def test_a_persons_task_is_moved_to_in_progress_without_a_run():
    task = make.task(task_type="human")
    assert ordering.move_card(task, to=Status.IN_PROGRESS, by=make.user(may=[EDITS])) is None
    assert status(task) == Status.IN_PROGRESS
    assert not Run.objects.exists()


def test_a_card_is_moved_only_by_users_who_may_change_tasks():
    task = make.task()
    for to in (Status.REVIEW, Status.DONE, Status.INBOX):
        with pytest.raises(NotAllowed, match="To move a task, you need the “Can change task” permission"):
            ordering.move_card(task, to=to, by=make.user(may=[RUNS]))
    assert status(task) == Status.INBOX


def test_agents_that_are_assigned_again_keep_their_order_and_come_first():
    one, two, three = make.agent(), make.agent(), make.agent()
    task = make.task(assignees=[two, one])
    assert tasks.reassign(task, [three, one, two]).assignee_ids == [two.pk, one.pk, three.pk]
    assert tasks.with_first_assignee(Task.objects.get(), one) == [one, three]


def test_a_blocker_is_added_to_those_that_another_person_has_just_added():
    task, mine, theirs = make.task(), make.task(), make.task()
    stale = Task.objects.prefetch_related("blocked_by").get(pk=task.pk)
    list(stale.blocked_by.all())
    tasks.change_blockers(task, add=theirs)
    tasks.change_blockers(stale, add=mine)
    assert set(task.blocked_by.all()) == {mine, theirs}
    tasks.change_blockers(task, remove=theirs)
    assert list(task.blocked_by.all()) == [mine]


def test_requirements_are_one_document_with_versions():
    project = make.project(title="House")
    first = requirements.write(project, "Walls", editor_id="human")
    project.refresh_from_db()
    second = requirements.write(project, "Walls and a roof", editor_id="human")
    assert (first.title, first.pk, second.version) == ("PRD: House", second.pk, 2)


def test_each_test_of_an_agent_is_a_run_of_the_same_task():
    agent, user = make.agent(), make.user(may=[RUNS])
    run = agent_tests.test_agent(agent, by=user)
    assert (run.task_id, run.task.description) == (agent_tests.test_task_id(agent), agent_tests.PROMPT)


def test_people_read_all_their_notifications_at_once_and_those_of_agents_stay_unread():
    task = make.task(assignees=[make.agent()])
    notifications.notify_review_needed(task)
    assert Notification.objects.for_people().needing_action().unread().count() == 1
    notifications.mark_all_read()
    assert not Notification.objects.for_people().unread().exists()
    assert Notification.objects.unread().exists()
