"""What each object needs to be shown, in a constant number of queries however many there are."""

from django.db.models import Prefetch, QuerySet

from agents.models import Agent
from mission_control.models import Activity, Deliverable, Message, Notification, Project, Run, Task
from mission_control.models.agents import with_runs

IDS_OF_TASKS = Task.objects.only("pk").order_by("created_at", "id")


def agents() -> QuerySet[Agent]:
    """Agents with what their runs say about them."""
    return with_runs()


def tasks() -> QuerySet[Task]:
    """Tasks with their newest run, their assignees, and the ids they wait for or hold back."""
    return (
        Task.objects.select_related("last_run")
        .defer("last_run__output", "last_run__prompt")
        .prefetch_related(
            "assignments",
            Prefetch("blocked_by", queryset=IDS_OF_TASKS),
            Prefetch("blocks", queryset=IDS_OF_TASKS),
        )
    )


def projects() -> QuerySet[Project]:
    """Projects with the ids of their team; those of their tasks, which may be many, their reader reads."""
    return Project.objects.prefetch_related(Prefetch("team_agents", queryset=Agent.objects.only("pk", "name")))


def documents() -> QuerySet[Deliverable]:
    """Documents need nothing beside their row."""
    return Deliverable.objects.all()


def runs() -> QuerySet[Run]:
    """The long texts stay in the database until somebody reads them."""
    return Run.objects.light().select_related("handed_in", "requested_by").defer("handed_in__content")


def messages() -> QuerySet[Message]:
    """Messages with their author."""
    return Message.objects.select_related("author")


def activities() -> QuerySet[Activity]:
    """Activities need nothing beside their row."""
    return Activity.objects.all()


def notifications() -> QuerySet[Notification]:
    """Notifications need nothing beside their row."""
    return Notification.objects.all()
