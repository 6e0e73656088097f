"""Pagination of lists, and the parsing of numbers in the query."""

import re
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.rules import LARGEST_INTEGER

NUMBER = {"type": "integer", "minimum": 0, "maximum": LARGEST_INTEGER}  # in the schema


def number_from(request: Request, name: str, default: int) -> int:
    """Return a number of the query, or the default. Raises ValidationError (400) if it is not a number from 0."""
    given = request.query_params.get(name, "")
    if given == "":
        return default
    if not re.fullmatch(r"[0-9]{1,10}", given) or int(given) > LARGEST_INTEGER:
        raise ValidationError({name: [f"Must be a number from 0 to {LARGEST_INTEGER}."]})
    return int(given)


class ListPagination(LimitOffsetPagination):
    """Pages by `?limit=` (default 100; more than 500 counts as 500) and `?offset=`, in the contract's envelope."""

    default_limit = 100
    max_limit = 500
    envelope = "results"

    def get_limit(self, request: Request) -> int:
        return min(number_from(request, self.limit_query_param, self.default_limit), self.max_limit)

    def get_offset(self, request: Request) -> int:
        return number_from(request, self.offset_query_param, 0)

    def get_next_link(self) -> str | None:
        return super().get_next_link() if self.limit else None

    def get_previous_link(self) -> str | None:
        return super().get_previous_link() if self.limit else None

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any] | None:
        page = super().paginate_queryset(queryset, request, view)
        self.display_page_controls = self.display_page_controls and bool(self.limit)
        return page

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {
                self.envelope: data,
                "count": self.count,
                "next": self.get_next_link(),
                "previous": self.get_previous_link(),
            }
        )

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        def parameter(name: str, default: int, description: str) -> dict[str, Any]:
            schema = {**NUMBER, "default": default}
            return {"name": name, "in": "query", "description": description, "schema": schema}

        return [
            parameter(self.limit_query_param, self.default_limit, f"Number of results, up to {self.max_limit}."),
            parameter(self.offset_query_param, 0, "Number of results to skip."),
        ]

    def get_results(self, data: dict[str, Any]) -> list[Any]:
        return list(data[self.envelope])
