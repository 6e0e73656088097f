"""Base classes of the admin pages: fast lists, read-only pages, and changes through actions."""

from collections.abc import Callable, Sequence
from functools import reduce
from operator import or_
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django.forms import BaseModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.text import smart_split

from mission_control.actions.permissions import acting
from mission_control.compat.django_models import copy_values
from mission_control.errors import Refusal
from mission_control.text import as_uuid

Rows = Sequence[Any] | QuerySet[Any]
Deleted = tuple[list[str], dict[str, int], set[str], list[str]]  # names, counts, missing permissions, protected


class Lean(admin.ModelAdmin):
    """A list that stays fast with a million rows.

    It is sorted only in an order that an index provides. A search for a complete id uses an index too, and only
    the `search_fields` that are ids; other words are searched for in the remaining fields.
    """

    show_full_result_count = False
    list_per_page = 50

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with acting(lambda: request.user):
            return super().changelist_view(request, *args, **kwargs)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with acting(lambda: request.user):
            return super().changeform_view(request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with acting(lambda: request.user):
            return super().delete_view(request, *args, **kwargs)

    sortable_by: ClassVar[list[str] | tuple[str, ...] | None] = ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        names = self.get_search_fields(request)
        ids = [name for name in names if name.split("__")[-1] == "id"]
        key = as_uuid(search_term.strip())
        if key is not None and ids:
            return queryset.filter(_any_of(ids, "exact", key)), False
        for word in smart_split(search_term):
            queryset = queryset.filter(_any_of([name for name in names if name not in ids], "has_text", word))
        return queryset, False

    def get_deleted_objects(self, objs: Rows, request: HttpRequest) -> Deleted:
        """Name the objects to delete, without collecting their related rows, which may be a hundred thousand."""
        names = [f"{self.opts.verbose_name}: {obj}, and everything that belongs only to it" for obj in objs]
        return names, {str(self.opts.verbose_name_plural): len(names)}, set(), []


def _any_of(names: list[str], lookup: str, value: object) -> Q:
    """Return the condition that at least one of the fields matches; without fields, nothing matches."""
    return reduce(or_, (Q((f"{name}__{lookup}", value)) for name in names), Q(pk__in=[]))


class ReadOnly(Lean):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ThroughActions(Lean):
    """Saves and deletes through the model's actions. A refusal is shown as a message, and nothing is changed."""

    create_action: ClassVar[Callable[..., Model]]
    change_action: ClassVar[Callable[..., Model]]
    delete_action: ClassVar[Callable[..., None]]
    actions: list[Any] = ["delete_selected"]

    def save_model(self, request: HttpRequest, obj: Model, form: BaseModelForm, change: bool) -> None:
        given = form.cleaned_data
        if change:
            original = type(obj)._default_manager.get(pk=obj.pk)
            saved = type(self).change_action(original, **{name: given[name] for name in form.changed_data})
        else:
            saved = type(self).create_action(**given)
        copy_values(saved, obj)

    def save_related(self, request: HttpRequest, form: BaseModelForm, formsets: Any, change: bool) -> None:
        """Do nothing: the action has already written the relations."""

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        type(self).delete_action(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for obj in queryset:
            type(self).delete_action(obj)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._refusable(super().changeform_view, request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._refusable(super().delete_view, request, *args, **kwargs)

    @admin.action(permissions=["delete"], description="Delete selected %(verbose_name_plural)s")
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Delete all or none, in a transaction that starts here: other admin actions must not run in one."""
        try:
            with transaction.atomic():
                return delete_selected(self, request, queryset)
        except Refusal as refusal:
            self.message_user(request, refusal.detail, messages.ERROR)
            return None

    def _refusable(
        self, view: Callable[..., HttpResponse], request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Call the view. A POST runs in a transaction, which a refusal rolls back; a message shows the reason."""
        if request.method != "POST":
            return view(request, *args, **kwargs)
        try:
            with transaction.atomic():
                return view(request, *args, **kwargs)
        except Refusal as refusal:
            self.message_user(request, refusal.detail, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
