"""The activity feed, and the notifications for people."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from agents.models import Agent
from mission_control.actions import notifications
from mission_control.models import Notification, Task
from mission_control.web.activity.lines import (
    KINDS,
    SHOWN_LINES,
    FeedFilters,
    for_people,
    lines,
    notification_rows,
)
from mission_control.web.shared.views import by_script, sees, show, zone_of

NOTIFICATIONS_A_PAGE = 50


@require_safe
@sees("view_activity", "view_task")
def activity(request: HttpRequest) -> HttpResponse:
    """Show the activity feed, newest first; for JavaScript, only its entries."""
    choice = FeedFilters.read(request.GET.dict())
    found = lines(choice)
    shown = found[:SHOWN_LINES]
    older = request.GET.copy()
    if len(found) > SHOWN_LINES:
        older["before"] = str(shown[-1].number)
    context: dict[str, Any] = {
        "lines": shown,
        "choice": choice,
        "here": request.get_full_path(),
        "older": f"{reverse('activity')}?{older.urlencode()}" if len(found) > SHOWN_LINES else "",
    }
    if by_script(request):
        with timezone.override(zone_of(request)):
            return render(request, "activity/_feed.html", context)
    context["kinds"] = [(name, words) for name, (words, _) in KINDS.items()]
    context["agents"] = Agent.objects.only("name")[:200]
    if choice.task:
        context["task"] = Task.objects.only("title").filter(pk=choice.task).first()
    return show(request, "activity/activity.html", context, at="activity")


@require_safe
@sees("view_notification", "view_task")
def notification_list(request: HttpRequest) -> HttpResponse:
    """Show the notifications for people, newest first: the unread ones, or all with `show=all`."""
    every = request.GET.get("show") == "all"
    found = for_people()
    if not every:
        found = found.unread()
    page = Paginator(found, NOTIFICATIONS_A_PAGE).get_page(request.GET.get("page"))
    rows = notification_rows(page.object_list)
    context = {"page": page, "rows": rows, "every": every, "here": request.get_full_path()}
    if by_script(request):
        with timezone.override(zone_of(request)):
            return render(request, "activity/_notifications.html", context)
    return show(request, "activity/notifications.html", context, at="notifications")


@require_POST
@sees("change_notification")
def read_one(request: HttpRequest, notification_id: uuid.UUID) -> HttpResponse:
    """Mark one notification as read, and redirect to its task if the form requests that."""
    found = get_object_or_404(Notification.objects.for_people(), pk=notification_id)
    notifications.mark_read(found)
    if request.POST.get("go") and found.source_task_id:
        return HttpResponseRedirect(reverse("task", args=[found.source_task_id]))
    return HttpResponseRedirect(reverse("notifications"))


@require_POST
@sees("change_notification")
def read_all(request: HttpRequest) -> HttpResponse:
    """Mark all notifications for people as read."""
    notifications.mark_all_read()
    messages.success(request, "All notifications marked as read.", extra_tags="ok")
    return HttpResponseRedirect(reverse("notifications"))
