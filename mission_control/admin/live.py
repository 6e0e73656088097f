"""Change pages that show the current status of a run, or of a task and its newest run."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from mission_control.admin.badges import badge, change_url
from mission_control.models import Run, Task

SOCKETS = "/ws/mission-control"


class Live(admin.ModelAdmin):
    """Shows a strip above the form. `admin.js` updates it over a WebSocket, for users who may view runs."""

    change_form_template = "admin/live.html"

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None:
            context["live"] = _strip(obj, sees_runs=request.user.has_perm("mission_control.view_run"))
        return super().render_change_form(request, context, add, change, form_url, obj)


def _strip(shown: Task | Run, *, sees_runs: bool) -> dict[str, Any]:
    """Return the data of the strip. An ended run needs no socket; a task does, because it may run again."""
    run = shown if isinstance(shown, Run) else shown.last_run if sees_runs else None
    strip: dict[str, Any] = {"run": run}
    if run is not None:
        strip |= {
            "run_badge": badge(run),
            "run_url": change_url(run),
            "events_url": reverse("admin:mission_control_run_events", args=[run.pk]),
        }
    if isinstance(shown, Task):
        socket = f"{SOCKETS}/tasks/{shown.pk}" if sees_runs else ""
        return strip | {"task": shown, "task_badge": badge(shown), "socket": socket}
    return strip | {"socket": f"{SOCKETS}/runs/{shown.pk}" if shown.is_active and sees_runs else ""}
