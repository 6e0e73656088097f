"""The usage page: the totals of the API's `usage` as a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from mission_control.actions.permissions import Rights
from mission_control.formatting import dollars
from mission_control.queries import usage
from mission_control.text import as_day
from mission_control.web.shared.plain_text import plain
from mission_control.web.shared.views import sees, show

ROWS_A_PAGE = 50
BY = {"day": "Day", "agent": "Agent", "project": "Project", "task": "Task", "model": "Model"}


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One row of the table. `href` links to its object; empty if there is none or the user may not see it."""

    name: str
    href: str
    sums: Mapping[str, Any]

    @property
    def cost(self) -> str:
        return dollars(self.sums["cost_usd"])


@require_safe
@sees("view_run", "view_task")
def usage_page(request: HttpRequest) -> HttpResponse:
    """Show the usage of runs that ended between two days (`from`, `to`), grouped by `by`."""
    by = request.GET.get("by", "day")
    by = by if by in BY else "day"
    first, last = (as_day(request.GET.get(name)) for name in ("from", "to"))
    found = usage.completed_usage()
    if first:
        found = found.filter(finished_at__gte=datetime.combine(first, time.min, UTC))
    if last:
        found = found.filter(finished_at__lte=datetime.combine(last, time.max, UTC))
    page = Paginator(usage.sums(found, by=[by]), ROWS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": [_row(request, by, sums) for sums in usage.with_names(page.object_list)],
        "by": by,
        "word": BY[by],
        "choices": BY.items(),
        "first": first,
        "last": last,
    }
    return show(request, "overview/usage.html", context, at="overview")


def _row(request: HttpRequest, by: str, sums: dict[str, Any]) -> UsageRow:
    key = sums[usage.GROUPS[by][0]]
    if by == "day":
        return UsageRow(f"{key}", "", sums)
    if by == "model":
        return UsageRow(plain(key) if key else "Unknown", "", sums)
    name = sums[f"{by}_{usage.NAMES[by][1]}"]
    if name is None:
        return UsageRow("None / deleted", "", sums)
    is_visible = getattr(Rights(request.user), f"view_{by}")
    return UsageRow(plain(name), reverse(by, args=[key]) if is_visible else "", sums)
