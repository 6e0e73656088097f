"""Views of what was found on this machine: the panel, and the button that makes an agent of it."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from agents import connections
from agents.discovery.scanner import scanner
from mission_control.actions import found_agents as actions
from mission_control.errors import Refusal
from mission_control.models import Run
from mission_control.web.agents.found import found_panel
from mission_control.web.shared.views import by_script, person_of, sees

Given = ParamSpec("Given")
MAY_ADD = ("agents.view_agent", "agents.add_agent")


def with_connections(view: Callable[Given, HttpResponse]) -> Callable[Given, HttpResponse]:
    """Refresh the connections before the view, once: most of what it shows depends on them."""

    @wraps(view)
    def refreshed(*args: Given.args, **kwargs: Given.kwargs) -> HttpResponse:
        connections.refresh()
        return view(*args, **kwargs)

    return refreshed


@require_http_methods(["GET", "HEAD", "POST"])
@sees(*MAY_ADD)
@with_connections
def found_agents(request: HttpRequest) -> HttpResponse:
    """Show what the last search has found; search again for a POST, in the background."""
    context = found_panel(request.user, again=request.method == "POST")
    if not by_script(request):
        return redirect("agents")
    return render(request, "agents/_found.html", context)


@require_POST
@sees(*MAY_ADD)
def use_found(request: HttpRequest, key: str) -> HttpResponse:
    """Make an agent of a finding, start its test, and show both."""
    finding = scanner.finding(key)
    if finding is None:
        messages.warning(request, "This is no longer there. Check again.", extra_tags="warn")
        return redirect("agents")
    try:
        used = actions.use(finding, by=person_of(request), model=request.POST.get("model", ""))
    except Refusal as refusal:
        messages.warning(request, f"{refusal.detail.rstrip('.')}.".replace("`", ""), extra_tags="warn")
        return redirect("agents")
    if used.refusal:
        messages.warning(request, f"{used.agent.name} is ready, but not tested: {used.refusal}", extra_tags="warn")
    else:
        outcome = "added" if used.is_new else "in use already"
        is_waiting = used.test is not None and used.test.status == Run.Status.WAITING
        test = "Its test waits for a free slot." if is_waiting else "Its test is running."
        messages.success(request, f"{used.agent.name} is {outcome}. {test}", extra_tags="ok")
    return redirect(f"{reverse('agent', args=[used.agent.pk])}#agent-history")
