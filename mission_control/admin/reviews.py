"""Reviews in the admin: who decided what, and when. They are also shown on the task's page."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest

from mission_control.actions import reviews
from mission_control.actions.permissions import CHANGE_TASK
from mission_control.admin.actions import Actions
from mission_control.admin.base import ReadOnly
from mission_control.models import Review

SHOWN: list[Any] = ["round", "status", "feedback", "decided_by", "opened_at", "decided_at", "reminded_at", "run"]


class Shown(BaseInlineFormSet):
    """Read-only rows on a page with a form: submitted data is not read, and nothing is saved."""

    new_objects: list[Any] = []
    changed_objects: list[Any] = []
    deleted_objects: list[Any] = []

    def __init__(self, *, instance: Model, prefix: str, queryset: QuerySet[Any], **_sent: Any) -> None:
        super().__init__(instance=instance, prefix=prefix, queryset=queryset)

    def is_valid(self) -> bool:
        return True


class ReviewInline(admin.TabularInline):
    """A task's reviews, read-only."""

    model, formset = Review, Shown
    fields = readonly_fields = SHOWN
    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Review]:
        return _lean(super().get_queryset(request))


@admin.register(Review)
class ReviewAdmin(Actions, ReadOnly):
    actions: list[Any] = ["approve_selected"]
    list_display = ["task", "round", "status", "decided_by", "opened_at", "decided_at"]
    list_filter = ["status"]
    search_fields = ["task__title", "task__id", "feedback"]
    fields = ["task", *SHOWN]

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms(CHANGE_TASK)

    @admin.action(description="Approve", permissions=["decide"])
    def approve_selected(self, request: HttpRequest, queryset: QuerySet[Review]) -> None:
        by = request.user
        assert isinstance(by, User), "change_task is required"
        self.to_each(request, queryset, lambda review: reviews.approve(review.task, by=by), "approved")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Review]:
        return _lean(super().get_queryset(request))


def _lean(rows: QuerySet[Review]) -> QuerySet[Review]:
    return rows.select_related("task", "run", "decided_by").defer("run__output", "run__prompt")
