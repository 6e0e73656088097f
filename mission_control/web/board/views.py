"""Views of the board: its columns, the slots above them, the actions on a card, new tasks, the first steps."""

import uuid
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from agents import connections
from agents.models import Agent
from mission_control.actions import agents, ordering, permissions, sample, task_runs, tasks
from mission_control.actions.permissions import Rights
from mission_control.errors import AlreadyRunning, Invalid, Refusal, TaskBlocked
from mission_control.models import Project, Run, Task
from mission_control.runs.lifecycle import stop
from mission_control.runs.parking import continue_now
from mission_control.text import as_uuid
from mission_control.web.agents import page as agents_page
from mission_control.web.agents.found import found_panel
from mission_control.web.board import page as board_page
from mission_control.web.board.forms import FirstAgentForm, MoveForm, NewTaskForm
from mission_control.web.board.page import COLUMNS, FIRST_CARDS, MAX_CARDS, BoardFilters
from mission_control.web.shared.views import by_script, person_of, sees, sees_tasks, show

MAX_CHANGED = 100  # cards that one request can refresh
MAX_CHOICES = 200
TAGS_FROM = 500  # the tag filter offers the tags of this many newest tasks


# ---------------------------------------------------------------- page and fragments
@require_safe
@sees_tasks
def board(request: HttpRequest) -> HttpResponse:
    """Show the board; for JavaScript, only its columns. While there are no tasks, show the first steps."""
    filters, may = BoardFilters.read(request.GET.dict()), Rights(request.user)
    shown = _number(request.GET.get("shown"), FIRST_CARDS, MAX_CARDS)
    drawn = board_page.board(filters, may, shown=shown)
    context: dict[str, Any] = {"columns": drawn, "filters": filters}
    if by_script(request):
        return render(request, "board/_board.html", context)
    context["strip"] = board_page.strip() if may.view_run else None
    if not filters and not any(column.count for column in drawn):
        found = _found(request)
        if not found:
            connections.refresh()
        return show(request, "board/welcome.html", {**context, **found, **_first_steps()}, at="board")
    has_run = Run.objects.exists()
    context |= _found(request, has_run=has_run)
    first = drawn[1].cards or drawn[0].cards
    if may.run_task and first and may.view_run and not has_run:
        context["first"] = next((card for card in reversed(first) if card.runnable), None)
    return show(request, "board/board.html", {**context, **_choices()}, at="board")


@require_safe
@sees_tasks
def changed_cards(request: HttpRequest) -> HttpResponse:
    """Show the cards in `ids` that match the filters, the numbers of cards and, with `slots`, the slots."""
    named = filter(None, map(as_uuid, request.GET.get("ids", "").split(",")[:MAX_CHANGED]))
    filters, may = BoardFilters.read(request.GET.dict()), Rights(request.user)
    matching = filters.of(Task.objects.filter(pk__in=list(named)))
    found = board_page.cards(list(matching.order_by("updated_at", "id").values_list("pk", flat=True)), may)
    counted = board_page.counts(filters)
    context: dict[str, Any] = {"cards": found, "counts": [(kind, counted[kind.status]) for kind in COLUMNS]}
    context["strip"] = board_page.strip() if may.view_run and "slots" in request.GET else None
    return render(request, "board/_cards_changed.html", context)


@require_safe
@sees_tasks
def more_cards(request: HttpRequest, status: str) -> HttpResponse:
    """Show the next cards of one column."""
    kind = next((kind for kind in COLUMNS if kind.status == status), None)
    if kind is None:
        raise Http404("Column not found")
    filters, may = BoardFilters.read(request.GET.dict()), Rights(request.user)
    offset = _number(request.GET.get("offset"), 0, 1_000_000)
    column = board_page.more(kind, filters, may, offset=offset)
    left = max(column.count - offset - len(column.cards), 0)
    context = {"column": column, "left": left, "offset": offset + len(column.cards), "filters": filters}
    return render(request, "board/_more.html", context)


@require_safe
@sees_tasks
def card_menu(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """Show the menu of one card."""
    found = board_page.cards([task_id], Rights(request.user))
    if not found:
        raise Http404("Task not found")
    return render(request, "board/_card_menu.html", {"card": found[0]})


# ---------------------------------------------------------------- actions on a card
@require_POST
@sees_tasks
def move(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """Move a card to another column, or within its own."""
    task = get_object_or_404(Task, pk=task_id)
    form = MoveForm(request.POST)
    if not form.is_valid():
        return _answer(request, task, "Choose a column.", status=400)
    to = form.cleaned_data["to"]
    before = board_page.COLUMN_OF[task.status]
    try:
        run = ordering.move_card(task, by=person_of(request), **form.cleaned_data)
    except Refusal as refusal:
        return _refuse_move(request, task, refusal)
    if run is not None:
        return _answer(request, task, _started(task, run))
    if to == before.status:
        return _answer(request, task, f"Moved: {task.title}")
    name = board_page.COLUMN_OF[to].name if to != Task.Status.SKIPPED else "Skipped"
    return _answer(request, task, f"Moved to {name}: {task.title}")


def _refuse_move(request: HttpRequest, task: Task, refusal: Refusal) -> HttpResponse:
    """Show why a card was not moved; the title is added where the text does not stand alone."""
    is_about_task = isinstance(refusal, AlreadyRunning | Invalid | TaskBlocked)
    adds_title = is_about_task and not refusal.detail.endswith(".")
    text = f"{refusal.detail}: {task.title}" if adds_title else refusal.detail
    return _answer(request, task, text, status=refusal.status)


def _started(task: Task, run: Run) -> str:
    """Return the message for the user about a run that was just admitted."""
    waits = run.status == Run.Status.WAITING
    return f"Queued: {task.title}" if waits else f"{run.agent_name} started “{task.title}”"


@require_POST
@sees("view_task", *permissions.STOP_RUN)
def stop_run(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Stop a run that holds a slot, or remove it from the waiting queue."""
    run = get_object_or_404(Run.objects.light().select_related("task"), pk=run_id)
    name = run.task_title or "Planning"
    try:
        run = stop(run)
    except Refusal as refusal:
        return _answer(request, run.task, refusal.detail, status=refusal.status)
    return _answer(request, run.task, f"{'Stopping' if run.is_active else 'Stopped'}: {name}")


@require_POST
@sees("view_task", *permissions.RUN_TASK)
def resume_run(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Let a run that waits for a quota test whether it is available again."""
    run = get_object_or_404(Run.objects.light().select_related("task"), pk=run_id)
    try:
        continue_now(run)
    except Refusal as refusal:
        return _answer(request, run.task, refusal.detail, status=refusal.status)
    return _answer(request, run.task, f"Trying now: {run.task_title or 'Planning'}")


def _answer(request: HttpRequest, task: Task | None, text: str, *, status: int = 200) -> HttpResponse:
    """Answer an action: JavaScript gets the text in a header, a form gets a redirect and a message."""
    if by_script(request):
        headers = {"X-Said": quote(text[:200])}
        return HttpResponse(status=204 if status == 200 else status, headers=headers)
    tag = "ok" if status == 200 else "warn"
    messages.add_message(request, messages.INFO, text, extra_tags=tag)
    if request.POST.get("back") == "overview":
        return redirect("overview")
    return redirect("board") if status == 200 or task is None else redirect("task", task.pk)


# ---------------------------------------------------------------- a new task
@require_http_methods(["GET", "HEAD", "POST"])
@sees("view_task", "add_task")
def new_task(request: HttpRequest) -> HttpResponse:
    """Show the form for a new task, as a page or in a dialog; or create the task, and run it if requested."""
    given = request.POST if request.method == "POST" else None
    form = NewTaskForm(given, initial=_proposed(request))
    task = _created(form) if form.is_bound and form.is_valid() else None
    if task is None:
        context = {"form": form}
        template = "board/_new_task.html" if by_script(request) else "board/new_task.html"
        if by_script(request):
            return render(request, template, context)
        return show(request, template, context, at="board", status=200 if given is None else 400)
    text, agent = f"Created: {task.title}", form.cleaned_data["agent"]
    if request.POST.get("then") == "run" and agent:
        text = _start_new(request, task)
    if by_script(request):
        return HttpResponse(status=204, headers={"X-Said": quote(text)})
    messages.success(request, text, extra_tags="ok")
    return redirect("task", task.pk)


def _proposed(request: HttpRequest) -> dict[str, Any]:
    """Return the first values of a new task, some from the URL."""
    named = {name: request.GET.get(name) for name in ("project", "agent")}
    return {**named, "priority": "medium"}


def _start_new(request: HttpRequest, task: Task) -> str:
    """Run a task that was just created; return the message for the user.

    Reports a refusal in the message and not as an error: the task exists, so the form must not be sent again.
    """
    try:
        return _started(task, task_runs.run_assigned(task, by=person_of(request)))
    except AlreadyRunning:
        return f"Started by its project: {task.title}"
    except Refusal as refusal:
        return f"Created, but not started: {task.title}. {refusal.detail}"


def _created(form: NewTaskForm) -> Task | None:
    """Create the task of a valid form. A refusal becomes an error of the form."""
    try:
        return _create(form.cleaned_data)
    except Refusal as refusal:
        form.add_error(next((name for name in refusal.body if name in form.fields), None), refusal.detail)
        return None


def _create(given: dict[str, Any]) -> Task:
    return tasks.create(
        title=given["title"],
        description=given["description"],
        project=given["project"],
        assignees=[given["agent"]] if given["agent"] else [],
        priority=given["priority"],
        task_type=given["task_type"],
        tags=given["tags"],
        due_date=given["due_date"],
        creator_id="human",
    )


# ---------------------------------------------------------------- the first steps
@require_POST
@sees("view_task")
def first_agent(request: HttpRequest) -> HttpResponse:
    """Create the first agent."""
    if not Rights(request.user).add_agent:
        return _answer(request, None, "To create an agent, you need the “Can add agent” permission.", status=403)
    form = FirstAgentForm(request.POST)
    if form.is_valid():
        made = agents.create(name=form.cleaned_data["name"], role="Writer", backend=form.cleaned_data["backend"])
        messages.success(request, f"{made.name} is ready. Now write a task.", extra_tags="ok")
    else:
        messages.warning(request, "Enter a name of at most 50 characters for the agent.", extra_tags="warn")
    return redirect("board")


@require_POST
@sees("view_task", "add_task", "add_project")
def make_sample(request: HttpRequest) -> HttpResponse:
    """Create the sample project."""
    if not Rights(request.user).add_agent:
        return _answer(request, None, "To create the sample, you need the “Can add agent” permission.", status=403)
    made = sample.create()
    messages.success(request, f"{made.title} created. Run its first task, then its second.", extra_tags="ok")
    return redirect("board")


def _found(request: HttpRequest, *, has_run: bool = False) -> dict[str, Any]:
    """Return what was found on this machine, until there is an agent of another backend than demo.

    If nothing was found, return the shortest ways to a first agent, but only until the first run.
    """
    may = Rights(request.user)
    if not (may.view_agent and may.add_agent) or Agent.objects.exclude(backend="demo").exists():
        return {}
    connections.refresh()
    panel = found_panel(request.user)
    return {} if has_run and not panel.get("found") else panel


def _first_steps() -> dict[str, Any]:
    """Return the data of the first steps: the existing agents, and the backends to choose from."""
    backends = agents_page.grouped(agents_page.backends(settings.DEFAULT_BACKEND))
    return {"agents": list(Agent.objects.only("name")[:MAX_CHOICES]), "backend_groups": backends}


# ---------------------------------------------------------------- helpers
def _choices() -> dict[str, Any]:
    """Return the choices of the filters and forms."""
    newest = Task.objects.order_by("-updated_at", "id").values_list("tags", flat=True)[:TAGS_FROM]
    return {
        "projects": Project.objects.only("title").order_by("title", "id")[:MAX_CHOICES],
        "agents": Agent.objects.only("name")[:MAX_CHOICES],
        "tags": sorted({str(tag) for tags in newest for tag in tags})[:MAX_CHOICES],
        "priorities": Task.Priority.choices[::-1],
        "task_types": Task.Type.choices,
    }


def _number(text: str | None, default: int, most: int) -> int:
    """Return a number from the URL, at most `most`; `default` if it is missing or invalid."""
    return min(int(text), most) if text and text.isascii() and text.isdigit() and len(text) < 9 else default
