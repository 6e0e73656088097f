"""What the admin's pages share: lean lists, pages that only show, changes by the verbs."""

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
Deleted = tuple[list[str], dict[str, int], set[str], list[str]]  # names, counts, permissions lacking, protected


class Lean(admin.ModelAdmin):
    """A list that stays fast with a million rows.

    It is sorted by what an index has in order. A whole id that is searched for is found by an index too, in those
    of `search_fields` that are ids; other words are looked for in the rest.
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
        """Name what is deleted; do not collect the hundred thousand rows that may hang on it."""
        names = [f"{self.opts.verbose_name}: {obj}, and everything that belongs only to it" for obj in objs]
        return names, {str(self.opts.verbose_name_plural): len(names)}, set(), []


def _any_of(names: list[str], lookup: str, value: object) -> Q:
    """Return the condition that one of the fields matches; without a field nothing does."""
    return reduce(or_, (Q((f"{name}__{lookup}", value)) for name in names), Q(pk__in=[]))


class ReadOnly(Lean):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ByVerbs(Lean):
    """Saves and deletes by the model's verbs; what they refuse is shown, and nothing of it happens."""

    create_verb: ClassVar[Callable[..., Model]]
    change_verb: ClassVar[Callable[..., Model]]
    delete_verb: ClassVar[Callable[..., None]]
    actions: list[Any] = ["delete_selected"]

    def save_model(self, request: HttpRequest, obj: Model, form: BaseModelForm, change: bool) -> None:
        given = form.cleaned_data
        if change:
            original = type(obj)._default_manager.get(pk=obj.pk)
            saved = type(self).change_verb(original, **{name: given[name] for name in form.changed_data})
        else:
            saved = type(self).create_verb(**given)
        copy_values(saved, obj)

    def save_related(self, request: HttpRequest, form: BaseModelForm, formsets: Any, change: bool) -> None:
        """Nothing is left to do: the verb wrote the relations too."""

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        type(self).delete_verb(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for obj in queryset:
            type(self).delete_verb(obj)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._refusable(super().changeform_view, request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._refusable(super().delete_view, request, *args, **kwargs)

    @admin.action(permissions=["delete"], description="Delete selected %(verbose_name_plural)s")
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Delete all or none. In a transaction of its own: other actions must not be in one."""
        try:
            with transaction.atomic():
                return delete_selected(self, request, queryset)
        except Refusal as refusal:
            self.message_user(request, refusal.detail, messages.ERROR)
            return None

    def _refusable(
        self, view: Callable[..., HttpResponse], request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Answer, in one transaction that a refusal undoes."""
        if request.method != "POST":
            return view(request, *args, **kwargs)
        try:
            with transaction.atomic():
                return view(request, *args, **kwargs)
        except Refusal as refusal:
            self.message_user(request, refusal.detail, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
