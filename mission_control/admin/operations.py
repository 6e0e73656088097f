"""The limit on concurrent runs and the live workers in the admin."""

from django.contrib import admin
from django.db import transaction
from django.db.models import Model
from django.forms import BaseModelForm
from django.http import HttpRequest

from mission_control.admin.base import Lean, ReadOnly
from mission_control.compat.django_q import MODELS
from mission_control.models import Capacity, WorkerGroup
from mission_control.runs.lifecycle import promote

# django-q2's own pages let a user call any function of the process, which amounts to a shell.
admin.site.unregister(MODELS)


@admin.register(Capacity)
class CapacityAdmin(Lean):
    """The single row of the limit. It can be changed at any time; a higher limit starts waiting runs at once."""

    list_display = ["__str__", "limit"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Model, form: BaseModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        transaction.on_commit(promote)


@admin.register(WorkerGroup)
class WorkerGroupAdmin(ReadOnly):
    list_display = ["host", "pid", "workers", "beat_at"]
