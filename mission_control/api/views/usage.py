"""The usage of runs, in sums."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from mission_control.api.filters import UsageFilter
from mission_control.api.serializers.usage import UsageReader
from mission_control.api.views.base import ObjectViews
from mission_control.queries import usage


class UsageViews(ObjectViews):
    """Tokens and cost of finished runs, by day, agent, project, task or model."""

    queryset = usage.completed_usage()
    filterset_class = UsageFilter
    action_permissions = {name: ["mission_control.view_run"] for name in ("list", "metadata")}
    noun, one, many, reader = "Usage", "usage", "usage", UsageReader

    def paginate_queryset(self, queryset: QuerySet[Any] | Sequence[Any]) -> list[Any]:
        return usage.with_names(super().paginate_queryset(queryset) or [])
