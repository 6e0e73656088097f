"""The page Agents → Connections: which programs agents may run, and the keys of providers."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mission_control.actions import connections, sdk_installations
from mission_control.actions.permissions import serves_this_machine
from mission_control.errors import Refusal
from mission_control.web.agents.page import protection_here
from mission_control.web.shared.views import by_script, person_of, sees, show

SEES_AGENT = "agents.view_agent"


@require_safe
@sees(SEES_AGENT, "agents.add_agent")
def connection_list(request: HttpRequest) -> HttpResponse:
    """Show the programs and keys, with their forms for those who may decide."""
    context = {
        "programs": connections.programs(),
        "keys": connections.provider_keys(),
        "may_decide": connections.may_decide(request.user),
        "protection": protection_here(),
        "by_page": settings.CONNECTIONS_BY_PAGE,
        "sdk": sdk_installations.sdk_state(),
        "is_from_here": serves_this_machine(),
    }
    return show(request, "agents/connections.html", context, at="agents")


@require_POST
@sees(SEES_AGENT, "agents.add_agent")
def change_program(request: HttpRequest) -> HttpResponse:
    """Allow a program, or take that back."""
    name, by = request.POST.get("name", ""), person_of(request)
    try:
        if request.POST.get("allowed") == "yes":
            connections.allow_program(name, by=by)
            messages.success(request, "Agents may now run it.", extra_tags="ok")
        else:
            connections.forbid_program(name, by=by)
            messages.success(request, "Agents may no longer run it.", extra_tags="ok")
    except Refusal as refusal:
        _warn(request, refusal)
    return redirect("connections")


@sensitive_post_parameters("value")
@require_POST
@sees(SEES_AGENT, "agents.add_agent")
def change_key(request: HttpRequest) -> HttpResponse:
    """Store a key, or delete it."""
    variable, by = request.POST.get("variable", ""), person_of(request)
    try:
        if request.POST.get("remove") == "yes":
            connections.remove_key(variable, by=by)
            messages.success(request, "The key is deleted.", extra_tags="ok")
        else:
            connections.set_key(variable, request.POST.get("value", ""), by=by)
            messages.success(request, "The key is stored. Agents use it from their next run on.", extra_tags="ok")
    except Refusal as refusal:
        _warn(request, refusal)
    return redirect("connections")


@require_http_methods(["GET", "HEAD", "POST"])
@sees(SEES_AGENT, "agents.add_agent")
def claude_sdk(request: HttpRequest) -> HttpResponse:
    """Show how far the installation of the SDK for Claude is; start one for a POST."""
    if request.method == "POST":
        try:
            sdk_installations.install_sdk(by=person_of(request))
        except Refusal as refusal:
            _warn(request, refusal)
        return redirect("connections")
    if not by_script(request):
        return redirect("connections")
    context = {"sdk": sdk_installations.sdk_state(), "may_decide": connections.may_decide(request.user)}
    return render(request, "agents/_claude_sdk.html", context)


def _warn(request: HttpRequest, refusal: Refusal) -> None:
    messages.warning(request, f"{refusal.detail.rstrip('.')}.".replace("`", ""), extra_tags="warn")
