"""The API's paths: canonical without a trailing slash, but also valid with one (a redirect would lose a body)."""

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, path, re_path
from django.views.decorators.csrf import csrf_exempt

from mission_control.api.errors import not_found
from mission_control.api.stream import StreamView
from mission_control.api.views.access import TokenViews
from mission_control.api.views.agents import AgentViews, BackendsView
from mission_control.api.views.base import ObjectViews
from mission_control.api.views.connections import ConnectionViews
from mission_control.api.views.deep_work import DeepWorkViews
from mission_control.api.views.documents import DeliverableViews, DocumentViews
from mission_control.api.views.feed import ActivityViews, NotificationViews
from mission_control.api.views.files import FileContentView, TaskFileContentView
from mission_control.api.views.metrics import MetricsView
from mission_control.api.views.operations import LivenessView, ReadinessView
from mission_control.api.views.projects import ProjectViews
from mission_control.api.views.questions import QuestionViews
from mission_control.api.views.runs import CapacityView, RunViews
from mission_control.api.views.schema import DocsView, SchemaView
from mission_control.api.views.tasks import TaskViews
from mission_control.api.views.usage import UsageViews

BASE, DEEP_WORK = "api/mission-control/", "api/deep-work/"
LIST: dict[str, Any] = {"get": "list", "post": "create"}
OBJECT: dict[str, Any] = {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}


def both(route: str, view: Callable[..., Any], name: str) -> list[URLPattern]:
    """Return the path, with its name, and the same path with a trailing slash."""
    return [path(route, view, name=name), path(f"{route}/", view)]


def objects(name: str, views: type[ObjectViews]) -> list[URLPattern]:
    """Return the paths of the list and of one object."""
    return [
        *both(f"{BASE}{name}", views.as_view(LIST, suffix="List"), f"api-{name}"),
        *both(f"{BASE}{name}/<str:pk>", views.as_view(OBJECT), f"api-{name}-one"),
    ]


def action(route: str, views: type[ObjectViews], name: str, **actions: Any) -> list[URLPattern]:
    """Return the paths of another operation; `actions` maps HTTP methods to methods of the views."""
    return both(
        f"{BASE}{route}", views.as_view(actions, suffix=name.capitalize()), f"api-{route.partition('/')[0]}-{name}"
    )


def deep_work(route: str, name: str, **actions: Any) -> list[URLPattern]:
    """Return the paths of an operation of Deep Work."""
    view = DeepWorkViews.as_view(actions, suffix=name.capitalize())
    return both(f"{DEEP_WORK}{route}", view, f"api-deep-work-{name}")


urlpatterns = [
    *both("healthz", LivenessView.as_view(), "healthz"),
    *both("readyz", ReadinessView.as_view(), "readyz"),
    *both("metrics", MetricsView.as_view(), "metrics"),
    *action("connections", ConnectionViews, "all", get="show"),
    *action("connections/programs", ConnectionViews, "programs", post="change_program"),
    *action("connections/keys", ConnectionViews, "keys", post="change_key"),
    *action("connections/claude-sdk", ConnectionViews, "claude-sdk", post="install_sdk"),
    *action("backends/choices", AgentViews, "choices", get="show_choices", post="ask_choices"),
    *both(f"{BASE}backends", BackendsView.as_view(), "api-backends"),
    *both(f"{BASE}capacity", CapacityView.as_view(), "api-capacity"),
    *action("agents/found", AgentViews, "found", get="list_found"),  # before `<str:pk>`, which would match too
    *action("agents/found/check", AgentViews, "check", post="find_again"),
    *objects("agents", AgentViews),
    *action("agents/found/<str:pk>/use", AgentViews, "use", post="use_found"),
    *action("agents/<str:pk>/check-tools", AgentViews, "check-tools", post="check_tools"),
    *action("agents/<str:pk>/heartbeat", AgentViews, "heartbeat", post="heartbeat"),
    *action("tasks/running", TaskViews, "running", get="running"),  # before `<str:pk>`, which would match too
    *objects("tasks", TaskViews),
    *action("tasks/<str:pk>/run", TaskViews, "run", post="run"),
    *action("tasks/<str:pk>/stop", TaskViews, "stop", post="stop"),
    *action("tasks/<str:pk>/runs", TaskViews, "runs", get="runs"),
    *action("tasks/<str:pk>/documents", TaskViews, "documents", get="documents"),
    *action("tasks/<str:pk>/assign", TaskViews, "assign", post="assign"),
    *action("tasks/<str:pk>/status", TaskViews, "status", post="status"),
    *action("tasks/<str:pk>/messages", TaskViews, "messages", get="messages", post="post_message"),
    *action("tasks/<str:pk>/attachments", TaskViews, "attachments", get="attachments", post="attach"),
    *action("tasks/<str:pk>/attachments/<str:file_id>", TaskViews, "attachment", delete="remove_attachment"),
    *action("tasks/<str:pk>/files", TaskViews, "files", get="files", post="add_files"),
    *both(f"{BASE}tasks/<str:pk>/files/content", TaskFileContentView.as_view(), "api-tasks-content"),
    *action("tasks/<str:pk>/approve", TaskViews, "approve", post="approve"),
    *action("tasks/<str:pk>/request-changes", TaskViews, "request-changes", post="request_changes"),
    *action("tasks/<str:pk>/reviews", TaskViews, "reviews", get="reviews"),
    *objects("projects", ProjectViews),
    *action("projects/<str:pk>/approve", ProjectViews, "approve", post="approve"),
    *action("projects/<str:pk>/pause", ProjectViews, "pause", post="pause"),
    *action("projects/<str:pk>/resume", ProjectViews, "resume", post="resume"),
    *action("projects/<str:pk>/files", ProjectViews, "files", get="files", post="add_files"),
    *both(f"{BASE}projects/<str:pk>/files/content", FileContentView.as_view(), "api-projects-content"),
    *deep_work("parse-goal", "parse-goal", post="parse_goal"),
    *deep_work("start", "start", post="start"),
    *deep_work("projects/<str:pk>/plan", "plan", get="plan"),
    *deep_work("projects/<str:pk>/replan", "replan", post="replan"),
    *deep_work("projects/<str:pk>/approve", "approve", post="approve"),
    *deep_work("projects/<str:pk>/start", "begin", post="begin"),
    *deep_work("projects/<str:pk>/pause", "pause", post="pause"),
    *deep_work("projects/<str:pk>/resume", "resume", post="resume"),
    *deep_work("projects/<str:pk>/tasks/<str:task_id>/skip", "skip", post="skip"),
    *objects("documents", DocumentViews),
    *action("documents/<str:pk>/versions", DocumentViews, "versions", get="versions"),
    *objects("deliverables", DeliverableViews),
    *action("deliverables/<str:pk>/versions", DeliverableViews, "versions", get="versions"),
    *both(f"{BASE}activity", ActivityViews.as_view({"get": "list"}, suffix="List"), "api-activity"),
    *action("stats", ActivityViews, "stats", get="stats"),
    *action("standup", ActivityViews, "standup", get="standup"),
    *both(f"{BASE}notifications", NotificationViews.as_view({"get": "list"}, suffix="List"), "api-notifications"),
    *action("notifications/<str:pk>/delivered", NotificationViews, "delivered", post="delivered"),
    *action("notifications/<str:pk>/read", NotificationViews, "read", post="read"),
    *both(f"{BASE}runs", RunViews.as_view({"get": "list"}, suffix="List"), "api-runs"),
    *both(f"{BASE}runs/<str:pk>", RunViews.as_view({"get": "retrieve"}), "api-runs-one"),
    *action("runs/<str:pk>/stop", RunViews, "stop", post="stop"),
    *action("runs/<str:pk>/resume", RunViews, "resume", post="resume"),
    *action("runs/<str:pk>/events", RunViews, "events", get="events"),
    *action("runs/<str:pk>/messages", RunViews, "messages", post="send_message"),
    *both(f"{BASE}runs/<str:pk>/stream", StreamView.as_view(), "api-runs-stream"),
    *both(f"{BASE}questions", QuestionViews.as_view({"get": "list"}, suffix="List"), "api-questions"),
    *both(f"{BASE}questions/<str:pk>", QuestionViews.as_view({"get": "retrieve"}), "api-questions-one"),
    *action("questions/<str:pk>/answer", QuestionViews, "answer", post="give_answer"),
    *both(f"{BASE}usage", UsageViews.as_view({"get": "list"}, suffix="List"), "api-usage"),
    *both(f"{BASE}tokens", TokenViews.as_view(LIST, suffix="List"), "api-tokens"),
    *both(
        f"{BASE}tokens/<str:pk>", TokenViews.as_view({"get": "retrieve", "delete": "destroy"}), "api-tokens-one"
    ),
    *both("api/schema", SchemaView.as_view(), "api-schema"),
    *both("api/docs", DocsView.as_view(), "api-docs"),
    # Matches every other path of the API, so new paths belong above it.
    re_path(r"^api(?:/.*)?$", csrf_exempt(not_found)),
]
