"""The base class and helpers of all views of objects."""

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, Serializer

from mission_control.actions.permissions import AnyUser, acting
from mission_control.api.pagination import ListPagination
from mission_control.api.serializers.reader import show_all
from mission_control.compat.django_models import PreparedLookup
from mission_control.compat.rest_framework import ChunkedBodies
from mission_control.errors import NotFound, Refusal
from mission_control.text import as_uuid

Found = TypeVar("Found", bound=Model)


def find(lookup: PreparedLookup[Found], noun: str, key: str) -> Found:
    """Return the row with this id. Raises NotFound if there is none or the id is malformed."""
    uuid = as_uuid(key)
    found = lookup.get(uuid) if uuid else None
    if found is None:
        raise NotFound(noun)
    return found


@cache
def _lookup(views: "type[ObjectViews]") -> PreparedLookup[Any]:
    """Return the query by id of these views, prepared once: it is the same for all users."""
    assert views.queryset is not None, "it is the views' own"
    return PreparedLookup(views.queryset.all)


def _forget_context(response: Response) -> None:
    """Forget what only the renderer needed: its cycle of references would keep the data in memory for long."""
    vars(response).pop("renderer_context", None)


class ObjectViews(ChunkedBodies):
    """The base class of the views of one kind of object."""

    noun: str  # its name in messages about errors and deletions
    one: str  # the envelope of one object
    many: str  # the envelope of a list
    reader: type[BaseSerializer[Any]]
    # Of each action: the serializer of its body, that of its list (in an envelope with the action's name), other
    # answers, and refusals.
    writers: dict[str, type[Serializer[Any]]] = {}
    lists: dict[str, type[BaseSerializer[Any]]] = {}
    answers: dict[str, Any] = {}
    refusals: dict[str, list[type[Refusal]]] = {}
    action_permissions: dict[str, Sequence[str]] = {}
    found: Model | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        def user() -> AnyUser:
            return self.request.user  # known once the view has started

        with acting(user):
            response = super().dispatch(request, *args, **kwargs)
        if isinstance(response, Response):
            del self.response  # the view and its request refer to each other
            response.add_post_render_callback(_forget_context)
        return response

    def get_serializer_class(self) -> type[Serializer[Any]]:
        return self.writers.get(self.action, Serializer)

    def get_serializer(self, *args: Any, **kwargs: Any) -> BaseSerializer[Any]:
        if self.action == "partial_update":
            kwargs["partial"] = True
            kwargs["instance"] = self.found  # so that the browsable API's form shows the current values
        return super().get_serializer(*args, **kwargs)

    def find(self, key: str) -> Any:
        self.found = find(_lookup(type(self)), self.noun, key)
        return self.found

    def given(self, data: Any = None) -> dict[str, Any]:
        """Return the body, or `data` if an action prepared it, validated. Raises ValidationError (400)."""
        if data is None:
            data = self.request.data
            if self.request.FILES:
                raise ValidationError({next(iter(self.request.FILES)): ["Files are not accepted here."]})
        if self.action == "partial_update":
            data = self._without_meaningless_nulls(data)
        serializer = self.get_serializer(data=data)
        serializer.is_valid(raise_exception=True)
        given: dict[str, Any] = serializer.validated_data
        return given

    def _without_meaningless_nulls(self, data: Any) -> Any:
        """Leave out nulls of fields that do not allow null: in a PATCH, PocketPaw's clients mean "unchanged"."""
        if not isinstance(data, dict) or isinstance(data, QueryDict):
            return data
        fields = self.get_serializer_class()().fields
        return {
            name: value
            for name, value in data.items()
            if value is not None or name not in fields or fields[name].allow_null
        }

    def answer(self, shown: Model) -> Response:
        return Response({self.one: self.reader(shown).data})

    def now(self, changed: Model) -> Response:
        """Answer with the object's current state, read from the database with all derived fields."""
        return self.answer(self.find(str(changed.pk)))

    def listed(self, rows: QuerySet[Any] | Sequence[Any]) -> Response:
        reader = self.lists.get(self.action)
        assert isinstance(self.paginator, ListPagination)
        self.paginator.envelope = self.action if reader else self.many
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(show_all(reader or self.reader, page or []))

    def deleted(self, key: str) -> Response:
        return Response({"success": True, "message": f"{self.noun} {as_uuid(key)} deleted"})

    def list(self, request: Request) -> Response:
        return self.listed(self.filter_queryset(self.get_queryset()))
