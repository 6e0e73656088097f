"""The API's paths: canonical without a trailing slash, and the same with one (a redirect would lose a body)."""

from collections.abc import Callable

from django.urls import URLPattern, path, re_path
from django.views.decorators.csrf import csrf_exempt

from mission_control.api.errors import not_found
from mission_control.api.stream import stream_run
from mission_control.api.views.agents import AgentViews, BackendsView
from mission_control.api.views.documents import DeliverableViews, DocumentViews
from mission_control.api.views.operations import healthz, readyz
from mission_control.api.views.projects import ProjectViews
from mission_control.api.views.runs import CapacityView, RunViews
from mission_control.api.views.tasks import TaskViews

BASE = "api/mission-control/"
LIST = {"get": "list", "post": "create"}
OBJECT = {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}


def both(route: str, view: Callable, name: str) -> list[URLPattern]:
    return [path(route, view, name=name), path(f"{route}/", view)]


def objects(name: str, views: type) -> list[URLPattern]:
    """Return the paths of the list and of one object."""
    return [
        *both(f"{BASE}{name}", views.as_view(LIST, suffix="List"), f"api-{name}"),
        *both(f"{BASE}{name}/<str:pk>", views.as_view(OBJECT), f"api-{name}-one"),
    ]


def action(route: str, views: type, name: str, **actions: str) -> list[URLPattern]:
    return both(
        f"{BASE}{route}", views.as_view(actions, suffix=name.capitalize()), f"api-{route.split('/')[0]}-{name}"
    )


urlpatterns = [
    *both("healthz", healthz, "healthz"),
    *both("readyz", readyz, "readyz"),
    *both(f"{BASE}backends", BackendsView.as_view(), "api-backends"),
    *both(f"{BASE}capacity", CapacityView.as_view(), "api-capacity"),
    *objects("agents", AgentViews),
    *action("tasks/running", TaskViews, "running", get="running"),  # before an id of that name
    *objects("tasks", TaskViews),
    *action("tasks/<str:pk>/run", TaskViews, "run", post="run"),
    *action("tasks/<str:pk>/stop", TaskViews, "stop", post="stop"),
    *action("tasks/<str:pk>/runs", TaskViews, "runs", get="runs"),
    *action("tasks/<str:pk>/documents", TaskViews, "documents", get="documents"),
    *objects("projects", ProjectViews),
    *objects("documents", DocumentViews),
    *action("documents/<str:pk>/versions", DocumentViews, "versions", get="versions"),
    *objects("deliverables", DeliverableViews),
    *action("deliverables/<str:pk>/versions", DeliverableViews, "versions", get="versions"),
    *both(f"{BASE}runs", RunViews.as_view({"get": "list"}, suffix="List"), "api-runs"),
    *both(f"{BASE}runs/<str:pk>", RunViews.as_view({"get": "retrieve"}), "api-runs-one"),
    *action("runs/<str:pk>/stop", RunViews, "stop", post="stop"),
    *action("runs/<str:pk>/events", RunViews, "events", get="events"),
    *both(f"{BASE}runs/<str:run_id>/stream", csrf_exempt(stream_run), "api-runs-stream"),
    # Other parts of the API stand above this line.
    re_path(r"^api(?:/.*)?$", csrf_exempt(not_found)),
]
