"""The page and its fragments. Actions call the verbs that the API calls and answer with the same fragments.

An action that the script sent (`X-Fragment`) is answered with the task's row; any other with a redirect to the
task and a message, so that all works without the script.
"""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from agents.models import Agent
from mission_control.ids import as_uuid
from mission_control.models import Run, RunEvent, Task
from mission_control.runs.admission import admit
from mission_control.runs.errors import NotRunning, Refusal
from mission_control.runs.lifecycle import stop
from mission_control.runs.slots import capacity
from mission_control.web.forms import RunForm
from mission_control.web.output import BLANKS, block_of
from mission_control.web.rows import Allowed, Notice, Pane, Row, pane, rows, shown_tasks

TASKS_A_PAGE = 50
Given = ParamSpec("Given")


def sees_tasks(view: Callable[Given, HttpResponse]) -> Callable[Given, HttpResponse]:
    """Let in who is logged in and may see tasks; others get the login page or 403."""

    @wraps(view)
    @never_cache
    @login_required
    @permission_required("mission_control.view_task", raise_exception=True)
    def guarded(*args: Given.args, **kwargs: Given.kwargs) -> HttpResponse:
        return view(*args, **kwargs)

    return guarded


# ---------------------------------------------------------------- pages
@require_safe
@sees_tasks
def board(request: HttpRequest) -> HttpResponse:
    """Show the tasks; a wide screen also shows the one that runs, or the newest."""
    return _page(request, None)


@require_safe
@sees_tasks
def task_page(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """Show the tasks with one of them open; a narrow screen shows that one alone."""
    return _page(request, task_id)


def _page(request: HttpRequest, opened_id: uuid.UUID | None) -> HttpResponse:
    shared = _shared_with_rows(request)
    opened = _opened(shared["rows"], opened_id, shared)
    context = {
        **shared,
        "at_task": opened_id is not None,
        "opened_id": opened and opened.task.pk,
        "pane": opened and _pane(request, opened),
        "blanks": BLANKS,
        "host": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "board.html", context)


def _opened(listed: list[Row], opened_id: uuid.UUID | None, shared: dict[str, Any]) -> Row | None:
    if opened_id is None:
        return next((row for row in listed if row.active), listed[0] if listed else None)
    in_list = next((row for row in listed if row.task.pk == opened_id), None)
    return in_list or _row(opened_id, shared)


# ---------------------------------------------------------------- fragments
@require_safe
@sees_tasks
def task_list(request: HttpRequest) -> HttpResponse:
    """Show the list alone."""
    return render(request, "_tasks.html", _shared_with_rows(request))


@require_safe
@sees_tasks
def task_row(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """Show one task's row as it now stands."""
    shared = _shared(request)
    return render(request, "_task_row.html", {**shared, "row": _row(task_id, shared)})


@require_safe
@sees_tasks
def task_pane(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """Show one task opened, with the end of its output."""
    shared = _shared(request)
    return render(request, "_pane.html", {**shared, "pane": _pane(request, _row(task_id, shared))})


@require_safe
@sees_tasks
def task_summary(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """Show of the pane what changes when a run starts or ends: the bar and what was handed in."""
    shared = _shared(request)
    return render(request, "_summary.html", {**shared, "pane": pane(_row(task_id, shared), with_output=False)})


@require_safe
@sees_tasks
def capacity_pips(request: HttpRequest) -> HttpResponse:
    """Show how many slots are taken."""
    return render(request, "_capacity.html", {"capacity": _capacity()})


@require_safe
@sees_tasks
@permission_required("mission_control.view_run", raise_exception=True)
def run_event(request: HttpRequest, run_id: uuid.UUID, seq: int) -> HttpResponse:
    """Show one event of a run whole; frames carry only the beginning of a tool's result."""
    event = get_object_or_404(RunEvent.objects.select_related("run").defer("run__output"), run_id=run_id, seq=seq)
    return render(request, "_run_event.html", {"block": block_of(event, event.run.agent_name)})


# ---------------------------------------------------------------- actions
@require_POST
@sees_tasks
@permission_required("mission_control.add_run", raise_exception=True)
def run_task(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """Run the task with the agent of the form; what is refused says the next step."""
    task = _task_or_404(task_id)
    form = RunForm(request.POST)
    if not form.is_valid():
        return _answer(request, task, status=400, notice=Notice(form.first_error))
    agent, when_full = form.cleaned_data["agent"], form.cleaned_data["when_full"]
    assert request.user.is_authenticated, "add_run is asked for"
    try:
        run = admit(task, agent, by=request.user, when_full=when_full)
    except Refusal as refusal:
        return _answer(request, task, status=refusal.status, notice=Notice.of(refusal))
    waits = run.status == Run.Status.WAITING
    return _answer(request, task, said="Waiting for a slot." if waits else f"Started with {agent.name}.")


@require_POST
@sees_tasks
@permission_required("mission_control.change_run", raise_exception=True)
def stop_task(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """Stop the task's active run; the answer waits two seconds at most for its end."""
    task = _task_or_404(task_id)
    try:
        run = stop(_active_run(task))
    except Refusal as refusal:
        return _answer(request, task, status=refusal.status, notice=Notice.of(refusal))
    return _answer(request, task, said="The run is being stopped." if run.is_active else "Stopped.")


def _active_run(task: Task) -> Run:
    run = Run.objects.active().light().filter(task=task).first()
    if run is None:
        raise NotRunning
    return run


def _answer(
    request: HttpRequest, task: Task, *, status: int = 200, notice: Notice | None = None, said: str = ""
) -> HttpResponse:
    """Answer an action: to the script with the row, to a plain form with a redirect and a message."""
    if "X-Fragment" not in request.headers:
        if notice is not None:
            messages.warning(request, str(notice), extra_tags=notice.status)
        else:
            messages.success(request, said, extra_tags="ok")
        return HttpResponseRedirect(reverse("task", args=[task.pk]) + _page_query(request))
    shared = _shared(request)
    try:
        row = _row(task.pk, shared)
    except Http404:  # deleted meanwhile, and the refusal said so
        return render(request, "_notice.html", {"notice": notice}, status=404)
    row.notice = notice
    return render(request, "_task_row.html", {**shared, "row": row, "said": said}, status=status)


# ---------------------------------------------------------------- what several of them need
def _shared(request: HttpRequest) -> dict[str, Any]:
    """Return what every row needs, read once: the agents, the capacity, what the user may do."""
    agents = list(Agent.objects.only("name"))
    return {
        "allowed": Allowed.to(request.user),
        "any_agent": bool(agents),
        "agent_options": render_to_string("_agent_options.html", {"agents": agents}),
        "capacity": _capacity(),
        "page_query": _page_query(request),
    }


def _shared_with_rows(request: HttpRequest) -> dict[str, Any]:
    shared = _shared(request)
    page = Paginator(shown_tasks(), TASKS_A_PAGE).get_page(request.GET.get("page"))
    listed = rows(page.object_list, shared["allowed"], any_agent=shared["any_agent"])
    return {**shared, "page": page, "rows": listed}


def _capacity() -> dict[str, Any]:
    """Return the capacity as the top bar shows it: numbers, and one pip a slot, true while it is held."""
    now = capacity()
    held = now["running"] + now["queued"]
    return {**now, "held": held, "pips": [number < held for number in range(now["limit"])]}


def _page_query(request: HttpRequest) -> str:
    """Return the query string that keeps the list at its page."""
    number = request.POST.get("page") or request.GET.get("page") or ""
    return f"?page={number}" if number.isascii() and number.isdigit() and number != "1" else ""


def _row(task_id: uuid.UUID, shared: dict[str, Any]) -> Row:
    task = shown_tasks().filter(pk=task_id).first()
    if task is None:
        raise Http404("Task not found")
    return Row(task, shared["allowed"], shared["any_agent"])


def _pane(request: HttpRequest, row: Row) -> Pane:
    upto = request.GET.get("upto", "")
    number = int(upto) if upto.isascii() and upto.isdigit() and len(upto) < 10 else None
    return pane(row, run_id=as_uuid(request.GET.get("run")), upto=number)


def _task_or_404(task_id: uuid.UUID) -> Task:
    return get_object_or_404(Task, pk=task_id)
