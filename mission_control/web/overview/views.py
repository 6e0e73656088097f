"""The overview page: figures of a period, what needs a person, charts, recent activity."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from mission_control.actions.permissions import Rights
from mission_control.queries.standup import standup as standup_text
from mission_control.web.activity.lines import FeedFilters, lines
from mission_control.web.overview.figures import PERIODS, Period, charts, ended_since, figures, spent_since
from mission_control.web.overview.needs import needs
from mission_control.web.shared.markdown import rendered
from mission_control.web.shared.views import sees, show, slots_taken, zone_of

PARTS = ("figures", "needs", "charts")
WEEK = 7  # charts show at least this many days
FEED_LINES = 20


@require_safe
@sees("view_run", "view_task")
def overview(request: HttpRequest) -> HttpResponse:
    """Show the overview."""
    context = {**_figures(request, *PARTS), "periods": PERIODS.items()}
    if Rights(request.user).view_activity:
        context |= {"lines": lines(FeedFilters("", None, None), shown=FEED_LINES)[:FEED_LINES], "feed": True}
        context["here"] = f"{request.path}/feed"
    return show(request, "overview/overview.html", context, at="overview")


@require_safe
@sees("view_run", "view_task", "agents.view_agent")
def standup(request: HttpRequest) -> HttpResponse:
    """Show what was completed recently, and the state of the other tasks."""
    return show(request, "overview/standup.html", {"html": rendered(standup_text())}, at="overview")


@require_safe
@sees("view_run", "view_task")
def overview_part(request: HttpRequest, part: str) -> HttpResponse:
    """Show one part of the overview, to refresh it."""
    with timezone.override(zone_of(request)):
        if part == "feed" and Rights(request.user).view_activity:
            shown = lines(FeedFilters("", None, None), shown=FEED_LINES)[:FEED_LINES]
            return render(request, "activity/_feed.html", {"lines": shown, "here": request.path})
        if part not in PARTS:
            raise Http404("Part not found")
        return render(request, f"overview/_{part}.html", _figures(request, part))


def _figures(request: HttpRequest, *parts: str) -> dict[str, Any]:
    zone = zone_of(request)
    period = Period.of(request.GET.get("period", "1"), zone)
    context: dict[str, Any] = {"period": period}
    if "needs" in parts:
        context["needs"] = needs(request.user)
    if {"figures", "charts"} & set(parts):
        since = period.day_start(max(period.days, WEEK))
        ended, spent = ended_since(since, zone), spent_since(since, zone)
        context |= {"figures": figures(ended, spent, period), "charts": charts(ended, spent, period)}
        context["slots"] = slots_taken()
    return context
