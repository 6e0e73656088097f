"""Views of agents: the list, the form of one agent, its test, and the state of the backends."""

import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from agents import isolation
from agents.backends import registry
from agents.models import Agent
from mission_control.actions import agent_tests, agents, permissions
from mission_control.actions.locking import locked
from mission_control.actions.permissions import Rights
from mission_control.errors import LimitReached, NotFound, Refusal
from mission_control.models import Activity, Run
from mission_control.models.agents import with_runs
from mission_control.text import as_uuid
from mission_control.web.agents import options
from mission_control.web.agents import page as agents_page
from mission_control.web.agents.forms import AgentForm
from mission_control.web.agents.found import found_panel, offered_choices
from mission_control.web.agents.found_views import with_connections
from mission_control.web.shared.conflicts import EditConflict, changed_only
from mission_control.web.shared.views import by_script, person_of, sees, show

AGENTS_A_PAGE = 50
EDITED = ("name", "role", "level", "specialties", "description", "backend", "backend_options", "fallback_agent")
SEES_AGENT = "agents.view_agent"


# ---------------------------------------------------------------- pages
@require_safe
@sees(SEES_AGENT)
@with_connections
def agent_list(request: HttpRequest) -> HttpResponse:
    """Show the agents and the backends; for JavaScript, only the agents."""
    if by_script(request):
        return render(request, "agents/_list.html", _listed(request))
    here = found_panel(request.user) if Rights(request.user).add_agent else {}
    return show(request, "agents/agents.html", {**_listed(request), **_beside(), **here}, at="agents")


@require_http_methods(["GET", "HEAD", "POST"])
@sees(SEES_AGENT, "agents.add_agent")
@with_connections
def new_agent(request: HttpRequest) -> HttpResponse:
    """Show an empty form, or create an agent."""
    beside = _beside()
    first = {"backend": agents_page.preselected(beside["backends"])}
    form = AgentForm(request.POST if request.method == "POST" else None, initial=first)
    fields = options.fields_of(_backend(form), {})
    if form.is_bound:
        given, fields = options.read(_backend(form), request.POST)
        if form.is_valid() and not _wrong(fields):
            made = _written(
                form, lambda: agents.create(**_with_fallback(form.cleaned_data), backend_options=given)
            )
            if made is not None:
                messages.success(request, f"{made.name} is ready. Test it, or give it a task.", extra_tags="ok")
                return redirect("agent", made.pk)
    context = {**_listed(request), **beside, **_form(form, fields, None, beside["backends"])}
    context |= _offered(request, _backend(form))
    return show(request, "agents/agents.html", context, at="agents", status=400 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@sees(SEES_AGENT)
@with_connections
def agent(request: HttpRequest, agent_id: uuid.UUID) -> HttpResponse:
    """Show the list with one agent opened: its form, its last test and its runs; or change the agent."""
    found = _agent(agent_id)
    if request.method == "POST" and not Rights(request.user).change_agent:
        return render(request, "403.html", status=403)
    form = AgentForm(request.POST) if request.method == "POST" else AgentForm.of(found)
    fields = options.fields_of(found.backend, found.backend_options)
    if form.is_bound:
        given, fields = options.read(_backend(form), request.POST)
        if form.is_valid() and not _wrong(fields):
            changed = _written(
                form, lambda: _change(request, found, {**form.cleaned_data, "backend_options": given})
            )
            if changed is not None:
                messages.success(request, f"Saved: {changed.name}", extra_tags="ok")
                return redirect("agent", changed.pk)
    beside = _beside()
    context = {**_listed(request), **beside, **_history(request, found)}
    context |= _form(form, fields, found, beside["backends"])
    context |= offered_choices(_backend(form), found.backend_options, request.user)
    context["basis"] = form.basis(_values(found))
    return show(request, "agents/agents.html", context, at="agents", status=form.status)


def _values(found: Agent) -> dict[str, Any]:
    values = {name: getattr(found, name) for name in EDITED if name != "fallback_agent"}
    return {**values, "fallback_agent": str(found.fallback_agent_id or "")}


def _with_fallback(given: dict[str, Any]) -> dict[str, Any]:
    """Replace the id of the chosen fallback agent by the agent."""
    if "fallback_agent" not in given:
        return given
    key = as_uuid(given["fallback_agent"])
    return {**given, "fallback_agent": Agent.objects.filter(pk=key).first() if key else None}


def _change(request: HttpRequest, found: Agent, given: dict[str, Any]) -> Agent:
    """Save the fields that the user changed. Raises EditConflict if another person changed one of them too.

    Locks the agent's row.
    """
    if "basis" not in request.POST:
        return agents.change(found, **_with_fallback(given))
    edits = Activity.objects.filter(agent=found, subject=Activity.Subject.AGENT, is_edit=True)
    with transaction.atomic():
        now = _values(locked(found))
        changes = changed_only(given, now, request.POST["basis"], edits=edits, user=person_of(request))
        return agents.change(found, **_with_fallback(changes))


def _listed(request: HttpRequest) -> dict[str, Any]:
    words = request.GET.get("q", "").strip()[:100]
    page = Paginator(agents_page.listed(words).order_by("name", "id"), AGENTS_A_PAGE).get_page(
        request.GET.get("page")
    )
    opened = request.GET.get("opened", "")
    return {
        "page": page,
        "rows": agents_page.rows(page.object_list),
        "words": words,
        "opened_id": opened,
    }


def _beside() -> dict[str, Any]:
    backends = agents_page.backends(settings.DEFAULT_BACKEND)
    return {
        "backends": backends,
        "quiet_backends": sum(one.is_quiet for one in backends),
        "isolation_warnings": isolation.warnings(settings.AGENT_ISOLATION),
        "protection": agents_page.protection_here(),
    }


def _backend(form: AgentForm) -> str:
    return str(form["backend"].value() or "")


def _wrong(fields: list[options.OptionField]) -> bool:
    return any(one.error for one in fields)


def _written(form: AgentForm, save: Any) -> Agent | None:
    """Call the action and return its agent. A refusal becomes an error or the conflict of the form."""
    try:
        made: Agent = save()
    except EditConflict as conflict:
        form.conflict = conflict
        return None
    except Refusal as refusal:
        field = next((name for name in refusal.body if name in form.fields), None)
        form.add_error(field, refusal.detail)
        return None
    return made


def _form(
    form: AgentForm, fields: list[options.OptionField], found: Any, backends: list[agents_page.BackendRow]
) -> dict[str, Any]:
    chosen = _backend(form)
    return {
        "form": form,
        "name_hint": format_html("Mention as @<bdi>{}</bdi>.", found.name.lower()) if found else "",
        "fields": fields,
        "backend_groups": agents_page.grouped(backends),
        "gone_backend": chosen if chosen not in [one.name for one in backends] else "",
        "chosen_backend": chosen,
        "missing": agents_page.quoted(_missing(chosen, found, backends)),
        "opened": found and agents_page.rows([found])[0],
        "opened_id": str(found.pk) if found else "",
        "is_new": found is None,
    }


def _missing(chosen: str, found: Any, backends: list[agents_page.BackendRow]) -> str:
    """Return what an agent lacks; for a new one, whose options are not filled in yet, what its backend lacks."""
    if found is not None:
        return agents_page.missing_for(chosen, found.backend_options)
    return next((one.reason for one in backends if one.name == chosen), "")


def _history(request: HttpRequest, found: Agent) -> dict[str, Any]:
    if not Rights(request.user).view_run:
        return {}
    return {
        "history": agents_page.history(found),
        "test": agents_page.last_test(found),
        "test_prompt": agent_tests.PROMPT,
    }


# ---------------------------------------------------------------- fragments
@require_safe
@sees(SEES_AGENT)
@with_connections
def option_fields(request: HttpRequest) -> HttpResponse:
    """Show the option fields of the chosen backend. Values of options with the same name are kept."""
    backend = request.GET.get("backend", "")
    if backend not in registry.names():
        return HttpResponse(status=404)
    fields = options.fields_of(backend, {})
    for one in fields:
        one.value = request.GET.get(one.key, "")[: options.MAX_CHARS]
    backends = agents_page.backends(settings.DEFAULT_BACKEND)
    context = {"fields": fields, "missing": agents_page.quoted(_missing(backend, None, backends))}
    context |= _offered(request, backend)
    return render(request, "agents/_options.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@sees(SEES_AGENT)
@with_connections
def option_choices(request: HttpRequest) -> HttpResponse:
    """Show the known values of the chosen backend's options. For a POST, ask again for them, in the background."""
    backend = (request.POST or request.GET).get("backend", "")
    if backend not in registry.names():
        return HttpResponse(status=404)
    return render(request, "agents/_choices.html", _offered(request, backend, again=request.method == "POST"))


def _offered(request: HttpRequest, backend: str, *, again: bool = False) -> dict[str, Any]:
    """Return the lists for an unfinished form; `again`: ask for them again."""
    given = options.values_of(backend, request.POST or request.GET)
    return offered_choices(backend, given, request.user, again=again)


@require_safe
@sees(SEES_AGENT, "view_run")
@with_connections
def agent_test(request: HttpRequest, agent_id: uuid.UUID) -> HttpResponse:
    """Show the current state of the agent, its last test, and its runs."""
    found = _agent(agent_id)
    return render(
        request, "agents/_opened.html", {"opened": agents_page.rows([found])[0], **_history(request, found)}
    )


@require_safe
@sees(SEES_AGENT)
@with_connections
def backend_list(request: HttpRequest) -> HttpResponse:
    """Check the backends again and show them."""
    if not by_script(request):
        return redirect("agents")
    return render(request, "agents/_backends.html", _beside())


# ---------------------------------------------------------------- actions
@require_POST
@sees(SEES_AGENT, "view_run", *permissions.TEST_AGENT)
def test_agent(request: HttpRequest, agent_id: uuid.UUID) -> HttpResponse:
    """Test the agent with one short prompt, as a run of its test task; without a free slot, the run waits."""
    found = _agent(agent_id)
    try:
        run = agent_tests.test_agent(found, by=person_of(request))
    except LimitReached as refusal:
        messages.warning(request, refusal.detail, extra_tags="warn")
    except Refusal as refusal:
        messages.warning(request, f"{refusal.detail}.", extra_tags="warn")
    else:
        if run.status == Run.Status.WAITING:
            messages.success(request, "All slots are busy. The test is queued.", extra_tags="ok")
    return redirect("agent", found.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@sees(SEES_AGENT, "agents.delete_agent")
def delete_agent(request: HttpRequest, agent_id: uuid.UUID) -> HttpResponse:
    """Ask for confirmation, or delete the agent."""
    found = _agent(agent_id)
    if request.method != "POST":
        return show(request, "agents/delete.html", {"agent": found}, at="agents")
    try:
        agents.delete(found)
    except NotFound:
        pass
    except Refusal as refusal:
        messages.warning(request, f"{refusal.detail}. Delete it once the run has finished.", extra_tags="warn")
        return redirect("agent", found.pk)
    messages.success(request, f"Deleted: {found.name}. Its runs are kept.", extra_tags="ok")
    return redirect("agents")


def _agent(agent_id: uuid.UUID) -> Any:
    return get_object_or_404(with_runs(), pk=agent_id)
