import re
from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request
from rest_framework.response import Response

LARGEST = 2**31 - 1  # what any database takes


def number_from(request: Request, name: str, default: int) -> int:
    """Return a number from the query. Raises ValidationError (400) naming it when it is none from 0."""
    given = request.query_params.get(name, "")
    if given == "":
        return default
    if not re.fullmatch(r"[0-9]{1,10}", given) or int(given) > LARGEST:
        raise ValidationError({name: [f"A number from 0 to {LARGEST} is expected."]})
    return int(given)


class ListPagination(LimitOffsetPagination):
    """`?limit=` (100; above 500 is taken as 500) and `?offset=`, answered in the contract's envelope."""

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

    def paginate_queryset(self, queryset, request: Request, view=None) -> list:
        page = super().paginate_queryset(queryset, request, view)
        self.display_page_controls = self.display_page_controls and bool(self.limit)
        return page

    def get_paginated_response(self, data: list) -> Response:
        return Response(
            {
                self.envelope: data,
                "count": self.count,
                "next": self.get_next_link(),
                "previous": self.get_previous_link(),
            }
        )

    def get_results(self, data: Any) -> list:
        return data[self.envelope]
