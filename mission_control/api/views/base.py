from typing import Any

from django.db.models import Model, QuerySet
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, Serializer
from rest_framework.viewsets import GenericViewSet

from mission_control.ids import as_uuid
from mission_control.runs.errors import NotFound


def find(rows: QuerySet, noun: str, key: str) -> Any:
    """Return the row with this id. Raises NotFound when there is none or the id is malformed."""
    uuid = as_uuid(key)
    found = uuid and rows.filter(pk=uuid).first()
    if not found:
        raise NotFound(noun)
    return found


class ObjectViews(GenericViewSet):
    """What the views of one kind of object share."""

    noun: str  # as errors and deletions name it
    one: str  # the envelope of one object
    many: str  # the envelope of a list
    reader: type[BaseSerializer]
    writers: dict[str, type[Serializer]] = {}  # by action
    action_permissions: dict[str, list[str]] = {}
    found: Model | None = None

    def initialize_request(self, request, *args, **kwargs):
        if "CONTENT_LENGTH" not in request.META:  # sent in chunks: DRF would take it for no body at all
            request.META["CONTENT_LENGTH"] = str(len(request.body))
        return super().initialize_request(request, *args, **kwargs)

    def get_serializer_class(self) -> type[Serializer]:
        return self.writers.get(self.action, Serializer)

    def get_serializer(self, *args, **kwargs) -> BaseSerializer:
        if self.action == "partial_update":
            kwargs["partial"] = True
            kwargs["instance"] = self.found  # so that the browser's form begins with what there is
        return super().get_serializer(*args, **kwargs)

    def find(self, key: str) -> Any:
        self.found = find(self.get_queryset(), self.noun, key)
        return self.found

    def given(self) -> dict[str, Any]:
        """Return the body, checked. Raises ValidationError (400)."""
        serializer = self.get_serializer(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def answer(self, shown: Model) -> Response:
        return Response({self.one: self.reader(shown).data})

    def now(self, changed: Model) -> Response:
        """Answer an object as it now stands, with all that is derived."""
        return self.answer(self.find(str(changed.pk)))

    def listed(
        self, rows: QuerySet, reader: type[BaseSerializer] | None = None, *, envelope: str = ""
    ) -> Response:
        self.paginator.envelope = envelope or self.many
        page = self.paginate_queryset(rows)
        return self.get_paginated_response((reader or self.reader)(page, many=True).data)

    def deleted(self, key: str) -> Response:
        return Response({"success": True, "message": f"{self.noun} {as_uuid(key)} deleted"})

    def list(self, request) -> Response:
        return self.listed(self.filter_queryset(self.get_queryset()))
