"""Admin actions on selected objects. Each object is changed by the API's action and gets its own message."""

import time
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.widgets import ForeignKeyRawIdWidget
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from agents.models import Agent
from mission_control.actions import permissions, project_execution, task_runs, tasks
from mission_control.errors import Refusal
from mission_control.models import Project, Run, Task
from mission_control.runs.admission import admit
from mission_control.runs.lifecycle import STOP_SECONDS
from mission_control.runs.parking import continue_now

MOST = 100  # objects per request: each one is changed separately


class RunTasksForm(forms.Form):
    """Which agent runs, and what to do if all slots are busy or blockers are unfinished: the API's parameters."""

    agent = forms.ModelChoiceField(
        Agent.objects.all(),
        widget=ForeignKeyRawIdWidget(Run._meta.get_field("agent").remote_field, admin.site),
        help_text="Agent ID. Use the search icon to find it by name.",
    )
    when_full = forms.ChoiceField(
        choices=[("reject", "Refuse"), ("queue", "Queue")], label="If all slots are busy"
    )
    ignore_dependencies = forms.BooleanField(required=False, label="Run even if blocked by unfinished tasks")


class Actions(admin.ModelAdmin):
    """Shows a message for each object: the result of the action, or why it was refused."""

    def is_too_many(self, request: HttpRequest, chosen: QuerySet[Any]) -> bool:
        """Return whether more objects are selected than one request can handle; show an error message if so."""
        if len(chosen[: MOST + 1]) <= MOST:
            return False
        self.message_user(request, f"Select at most {MOST} at once. Nothing was changed.", messages.ERROR)
        return True

    def to_each(
        self, request: HttpRequest, chosen: QuerySet[Any], act: Callable[[Any], object], did: str = ""
    ) -> None:
        """Call `act` for each object and show `did`, or what `act` returned if `did` is empty.

        Runs outside any transaction, because `act` may wait.
        """
        if self.is_too_many(request, chosen):
            return
        for obj in chosen:
            try:
                outcome = act(obj)
                self.message_user(request, f"{obj}: {did or outcome}", messages.SUCCESS)
            except Refusal as refusal:
                self.message_user(request, f"{obj}: {refusal.detail}", messages.ERROR)


class RunActions(Actions):
    """Let parked runs continue."""

    actions: list[Any] = ["try_now"]

    def has_run_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms(permissions.RUN_TASK)

    @admin.action(description="Try now: continue runs that wait for a quota", permissions=["run"])
    def try_now(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        """Let each run test whether its quota is available again."""
        self.to_each(request, queryset, continue_now, "continues")


class TaskActions(Actions):
    """Run, stop and skip tasks."""

    actions: list[Any] = ["run_with_agent", "stop_selected", "skip_selected"]

    def has_run_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms(permissions.RUN_TASK)

    def has_stop_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms(permissions.STOP_RUN)

    @admin.action(description="Run with agent…", permissions=["run"])
    def run_with_agent(self, request: HttpRequest, queryset: QuerySet[Task]) -> HttpResponse | None:
        """Show a page to choose the agent, then run each task."""
        form = RunTasksForm(request.POST if "run" in request.POST else None)
        if form.is_valid():
            self.to_each(request, queryset, lambda task: _run(task, by=request.user, **form.cleaned_data))
            return None
        if self.is_too_many(request, queryset):
            return None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Run with agent",
            "form": form,
            "chosen": queryset,
            "media": self.media + form.media,
            "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/run_with_agent.html", context)

    @admin.action(description="Stop", permissions=["stop"])
    def stop_selected(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        within = _deadline()
        self.to_each(request, queryset, lambda task: _stop(task, wait_seconds=within()))

    @admin.action(description="Skip", permissions=["change"])
    def skip_selected(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self.to_each(request, queryset, tasks.skip, "skipped")


class ProjectActions(Actions):
    """Approve, start, pause and resume projects.

    Starting a project runs its tasks and pausing it stops them, so both need the permissions for runs too.
    """

    actions: list[Any] = ["approve_selected", "start_selected", "pause_selected", "resume_selected"]

    def has_begin_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms(permissions.START_PROJECT)

    def has_halt_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms(permissions.PAUSE_PROJECT)

    @admin.action(description="Approve", permissions=["begin"])
    def approve_selected(self, request: HttpRequest, queryset: QuerySet[Project]) -> None:
        self.to_each(request, queryset, project_execution.approve, "approved")

    @admin.action(description="Start", permissions=["begin"])
    def start_selected(self, request: HttpRequest, queryset: QuerySet[Project]) -> None:
        self.to_each(request, queryset, project_execution.start, "started")

    @admin.action(description="Pause", permissions=["halt"])
    def pause_selected(self, request: HttpRequest, queryset: QuerySet[Project]) -> None:
        within = _deadline()
        self.to_each(
            request, queryset, lambda project: project_execution.pause(project, wait_seconds=within()), "paused"
        )

    @admin.action(description="Resume", permissions=["begin"])
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Project]) -> None:
        self.to_each(request, queryset, project_execution.resume, "resumed")


def _run(task: Task, *, by: Any, agent: Agent, **options: Any) -> str:
    assert isinstance(by, User), "add_run is required"
    run = admit(task, agent, by=by, **options)
    waits = run.status == Run.Status.WAITING
    return f"queued for {agent}" if waits else f"started with {agent}"


def _stop(task: Task, *, wait_seconds: float) -> str:
    return "stopping" if task_runs.stop_task(task, wait_seconds=wait_seconds).is_active else "stopped"


def _deadline() -> Callable[[], float]:
    """Return a function that returns the seconds left of STOP_SECONDS, which all stops of one request share."""
    end = time.monotonic() + STOP_SECONDS
    return lambda: max(end - time.monotonic(), 0)
