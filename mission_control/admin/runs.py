"""Runs and their events in the admin, to read."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from mission_control.admin.base import ReadOnly
from mission_control.models import Run, RunEvent


@admin.register(Run)
class RunAdmin(ReadOnly):
    list_display = [
        "task_title",
        "kind",
        "agent_name",
        "status",
        "slot",
        "attempt",
        "queued_at",
        "finished_at",
        "error",
    ]
    list_filter = ["status", "kind"]
    search_fields = ["id", "task__id", "task_title", "agent_name"]
    list_select_related = ["requested_by"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        return Run.objects.light()


@admin.register(RunEvent)
class RunEventAdmin(ReadOnly):
    list_display = ["run", "seq", "type", "timestamp"]
    list_filter = ["type"]
    list_select_related = ["run"]
    search_fields = ["run__id"]
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[RunEvent]:
        return super().get_queryset(request).defer("content", "run__output", "run__prompt")
