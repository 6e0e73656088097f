"""Querysets that load what the API shows of objects, in the same number of queries for any number of rows."""

from django.db.models import Prefetch, QuerySet

from agents.models import Agent
from mission_control.compat.django_models import PreparedLookup
from mission_control.models import Activity, Deliverable, Message, Notification, Project, Question, Run, Task
from mission_control.models.agents import with_runs

# Of a task's newest run the API shows few columns; to load the others takes a fifth of the time of a list.
_SHOWN_OF_LAST_RUN = ("id", "status", "finished_at", "error")
_HIDDEN_OF_LAST_RUN = [
    f"last_run__{field.name}" for field in Run._meta.concrete_fields if field.name not in _SHOWN_OF_LAST_RUN
]


def agents() -> QuerySet[Agent]:
    """Return agents with the state that is derived from their runs."""
    return with_runs()


def tasks() -> QuerySet[Task]:
    """Return tasks with newest run, assignees, and the ids of the tasks that block them or that they block."""
    return Task.objects.select_related("last_run").defer(*_HIDDEN_OF_LAST_RUN).with_links()


def projects() -> QuerySet[Project]:
    """Return projects with their teams. The serializer reads the ids of their tasks, which may be many."""
    return Project.objects.prefetch_related(Prefetch("team_agents", queryset=Agent.objects.only("pk", "name")))


def documents() -> QuerySet[Deliverable]:
    """Return documents; they need only their own rows."""
    return Deliverable.objects.all()


def runs() -> QuerySet[Run]:
    """Return runs without their long texts, which are loaded only when they are read."""
    return Run.objects.light().select_related("handed_in", "requested_by").defer("handed_in__content")


def questions() -> QuerySet[Question]:
    """Return questions with the people who answered them."""
    return Question.objects.select_related("answered_by")


def messages() -> QuerySet[Message]:
    """Return messages with their authors."""
    return Message.objects.select_related("author")


def activities() -> QuerySet[Activity]:
    """Return activities; they need only their own rows."""
    return Activity.objects.all()


def notifications() -> QuerySet[Notification]:
    """Return notifications; they need only their own rows."""
    return Notification.objects.all()


# Rows by id, for actions: without the related rows that only a reader needs.
AGENT = PreparedLookup(Agent.objects.all)
PROJECT = PreparedLookup(Project.objects.all)
RUN = PreparedLookup(Run.objects.light)
TASK = PreparedLookup(Task.objects.all)
# What an answer shows.
TASK_SHOWN = PreparedLookup(tasks)
MESSAGES_OF_TASK = PreparedLookup(messages, "task")
