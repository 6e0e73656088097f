"""Agents, tasks, projects and documents in the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from agents.models import Agent
from mission_control.actions import agents, documents, projects, tasks
from mission_control.admin.actions import ProjectActions, TaskActions
from mission_control.admin.badges import badge, linked_badge
from mission_control.admin.base import ReadOnly, ThroughActions
from mission_control.admin.live import Live
from mission_control.admin.reviews import ReviewInline
from mission_control.models import Deliverable, DeliverableVersion, Project, Run, Task
from mission_control.models.agents import with_runs
from mission_control.queries import usage

LONG = ("last_run__output", "last_run__prompt")


class DerivedStatus(admin.SimpleListFilter):
    """Filters by the displayed status. Few agents hold a run at once, so these are queried first."""

    title = parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status.value, str(status.label)) for status in Agent.Status]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Agent]) -> QuerySet[Agent]:
        if self.value() is None:
            return queryset
        holding = Q(pk__in=Run.objects.holding().filter(agent__isnull=False).values("agent"))
        stored = Q(status=self.value())
        return queryset.filter(holding | stored if self.value() == Agent.Status.ACTIVE else stored & ~holding)


@admin.register(Agent)
class AgentAdmin(ThroughActions):
    create_action = staticmethod(agents.create)
    change_action = staticmethod(agents.change)
    delete_action = staticmethod(agents.delete)
    list_display = ["name", "role", "backend", "level", "state", "last_heartbeat", "updated_at"]
    list_filter = ["backend", "level", DerivedStatus]
    sortable_by = ["name", "role", "backend", "level", "last_heartbeat", "updated_at"]
    search_fields = ["name", "role", "id"]
    raw_id_fields = ["fallback_agent"]
    readonly_fields = ["id", "state", "last_heartbeat", "took", "created_at", "updated_at"]

    @admin.display(description="Usage")
    def took(self, agent: Agent) -> str:
        return usage.summary_text(usage.completed_usage().filter(agent=agent))

    @admin.display(description="Status")
    def state(self, agent: Any) -> str:
        """Show the status that the API reports: active while the agent holds a run."""
        return str(Agent.Status(agent.derived_status).label)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        labels = {"status": "Idle status"}
        return super().get_form(request, obj, change, **{"labels": labels, **kwargs})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        return with_runs(super().get_queryset(request))


@admin.register(Task)
class TaskAdmin(Live, TaskActions, ThroughActions):
    create_action = staticmethod(tasks.create)
    change_action = staticmethod(tasks.change)
    delete_action = staticmethod(tasks.delete)
    actions: list[Any] = [*TaskActions.actions, *ThroughActions.actions]
    inlines = [ReviewInline]
    list_display = ["title", "state", "run", "priority", "task_type", "project", "updated_at"]
    list_filter = ["status", "priority", "task_type"]
    sortable_by = ["title", "updated_at"]
    search_fields = ["title", "id"]
    raw_id_fields = ["project", "parent_task", "blocked_by"]
    readonly_fields = [
        "id",
        "status",
        "assigned",
        "last_run",
        "took",
        "started_at",
        "completed_at",
        "created_at",
        "updated_at",
    ]
    fields = [
        "id",
        "title",
        "description",
        "status",
        "priority",
        "task_type",
        "project",
        "assigned",
        "parent_task",
        "blocked_by",
        "tags",
        "due_date",
        "estimated_minutes",
        "active_description",
        "metadata",
        "last_run",
        "took",
        "started_at",
        "completed_at",
        "created_at",
        "updated_at",
    ]

    @admin.display(description="Status", ordering="status")
    def state(self, task: Task) -> SafeString:
        return badge(task)

    @admin.display(description="Latest run")
    def run(self, task: Task) -> SafeString | str:
        return linked_badge(task.last_run)

    @admin.display(description="Usage")
    def took(self, task: Task) -> str:
        return usage.summary_text(usage.completed_usage().filter(task=task))

    @admin.display(description="Assignees")
    def assigned(self, task: Task) -> str:
        """List the assignees, read-only: assigning is an action that also moves the task and adds to the feed."""
        return ", ".join(agent.name for agent in task.assignees.order_by("assignments__place")) or "-"

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Make the status of an existing task editable; a new task's status follows from its assignees."""
        return [name for name in self.readonly_fields if obj is None or name != "status"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        return super().get_queryset(request).select_related("project", "last_run").defer(*LONG)


@admin.register(Project)
class ProjectAdmin(ProjectActions, ThroughActions):
    create_action = staticmethod(projects.create)
    change_action = staticmethod(projects.change)
    delete_action = staticmethod(projects.delete)
    actions: list[Any] = [*ProjectActions.actions, *ThroughActions.actions]
    list_display = ["title", "state", "planner_agent", "updated_at"]
    list_filter = ["status"]
    list_select_related = ["planner_agent"]
    sortable_by = ["updated_at"]
    search_fields = ["title", "id"]
    raw_id_fields = ["planner_agent", "team_agents", "prd_document"]
    readonly_fields = ["id", "took", "started_at", "completed_at", "created_at", "updated_at"]

    @admin.display(description="Usage")
    def took(self, project: Project) -> str:
        return usage.summary_text(usage.completed_usage().filter(project=project))

    @admin.display(description="Status", ordering="status")
    def state(self, project: Project) -> SafeString:
        return badge(project)


@admin.register(Deliverable)
class DeliverableAdmin(ThroughActions):
    create_action = staticmethod(documents.create)
    change_action = staticmethod(documents.change)
    delete_action = staticmethod(documents.delete)
    list_display = ["title", "type", "version", "task", "project", "updated_at"]
    list_filter = ["type"]
    list_select_related = ["task", "project"]
    sortable_by = ["updated_at"]
    search_fields = ["title", "id"]
    raw_id_fields = ["task", "project"]
    readonly_fields = ["id", "version", "run", "created_at", "updated_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Deliverable]:
        return super().get_queryset(request).defer("content")


@admin.register(DeliverableVersion)
class DeliverableVersionAdmin(ReadOnly):
    list_display = ["deliverable", "version", "editor_id", "run", "created_at"]
    list_select_related = ["deliverable", "run"]
    ordering = ["-id"]
    search_fields = ["deliverable__id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeliverableVersion]:
        return super().get_queryset(request).defer("content", "deliverable__content", "run__output", "run__prompt")
