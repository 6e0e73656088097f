"""Views of projects: the list, one project, and the actions that start, pause, resume and delete it."""

import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from agents import connections
from agents.models import Agent
from mission_control import planning
from mission_control.actions import permissions, project_execution, projects, tasks
from mission_control.actions.permissions import Rights
from mission_control.errors import NotFound, Refusal
from mission_control.models import Project, Task
from mission_control.web.agents.page import missing_for, quoted
from mission_control.web.project import page as project_page
from mission_control.web.project.file_views import folder_of
from mission_control.web.project.forms import AgentlessForm, GoalForm, ProjectForm
from mission_control.web.project.page import page_of
from mission_control.web.shared.conflicts import EditConflict
from mission_control.web.shared.views import by_script, person_of, sees, show

PROJECTS_A_PAGE = 50
SEES_PROJECT = ("view_project", "view_task")


# ---------------------------------------------------------------- pages
@require_safe
@sees(*SEES_PROJECT)
def project_list(request: HttpRequest) -> HttpResponse:
    """Show the list of projects."""
    found = project_page.listed().order_by("-updated_at", "id")
    page = Paginator(found, PROJECTS_A_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "rows": project_page.rows(page.object_list)}
    template = "project/_list.html" if by_script(request) else "project/projects.html"
    return show(request, template, context, at="projects")


@require_safe
@sees(*SEES_PROJECT)
def project(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
    """Show one project; for JavaScript, only the parts that may have changed."""
    found = project_of(project_id)
    context = page_of(found, request.user, span=request.GET.get("span", ""))
    if by_script(request):
        return render(request, "project/_live.html", context)
    return show(request, "project/project.html", {**context, **folder_of(found, "")}, at="projects")


@require_http_methods(["GET", "HEAD", "POST"])
@sees("view_project", "add_project")
def new_project(request: HttpRequest) -> HttpResponse:
    """Show the two forms for a new project, or create it. `kind` names the submitted form: goal or empty."""
    may, kind = Rights(request.user), request.POST.get("kind", "")
    goal = GoalForm(request.POST if kind == "goal" else None)
    empty = ProjectForm(request.POST if kind == "empty" else None)
    status = 200
    if kind == "goal" and may.plan_project and goal.is_valid():
        try:
            return redirect("project", planning.start(**goal.cleaned_data, by=person_of(request)).pk)
        except Refusal as refusal:
            goal.add_error(None, refusal.detail)
            status = refusal.status
    elif kind == "empty" and empty.is_valid():
        return redirect("project", projects.create(**empty.cleaned_data).pk)
    elif kind:
        status = 400
    context = {"goal": goal, "empty": empty, "planner": _planner()}
    return show(request, "project/new.html", context, at="projects", status=status)


def _planner() -> dict[str, Any]:
    """Return the agent that would plan, and what is missing before it can. Creates no agent."""
    found = Agent.objects.filter(name=planning.PLANNER).order_by("created_at", "pk")
    if settings.PLANNER_BACKEND:
        found = found.filter(backend=settings.PLANNER_BACKEND)
    agent = found.first()
    backend = agent.backend if agent else settings.PLANNER_BACKEND or settings.DEFAULT_BACKEND
    connections.refresh()
    return {
        "agent": agent,
        "backend": backend,
        "missing": quoted(missing_for(backend, agent.backend_options if agent else {})),
    }


@require_http_methods(["GET", "HEAD", "POST"])
@sees(*SEES_PROJECT, "delete_project")
def delete_project(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
    """Ask for confirmation, or delete the project."""
    found = project_of(project_id)
    if request.method != "POST":
        context = {"project": found, "number": found.tasks.count()}
        return show(request, "project/delete.html", context, at="projects")
    try:
        projects.delete(found)
    except NotFound:
        pass
    except Refusal as refusal:
        messages.warning(request, f"{refusal.detail}. Stop the run first.", extra_tags="warn")
        return redirect("project", found.pk)
    messages.success(request, f"Deleted: {found.title}", extra_tags="ok")
    return redirect("projects")


# ---------------------------------------------------------------- actions
def _action(
    act: Callable[[HttpRequest, Project], Any], text: str, *permissions: str
) -> Callable[[HttpRequest, uuid.UUID], HttpResponseBase]:
    """Make a POST view from an action. It redirects to the project's page with a message, also on a refusal."""

    @require_POST
    @sees(*SEES_PROJECT, *permissions)
    def view(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
        found = project_of(project_id)
        return done(request, found, lambda: act(request, found), text)

    return view


def _replan(request: HttpRequest, found: Project) -> None:
    planning.replan(found, by=person_of(request))


approve = _action(
    lambda _, found: project_execution.approve(found),
    "Plan approved. Its tasks start automatically.",
    *permissions.START_PROJECT,
)
start = _action(
    lambda _, found: project_execution.start(found),
    "Project started. Its tasks run automatically, in order.",
    *permissions.START_PROJECT,
)
pause = _action(
    lambda _, found: project_execution.pause(found),
    "Project paused. Running tasks were stopped and returned to Assigned.",
    *permissions.PAUSE_PROJECT,
)
resume = _action(lambda _, found: project_execution.resume(found), "Project resumed.", *permissions.START_PROJECT)
replan = _action(_replan, "Regenerating the plan…", *permissions.START_PROJECT)
stop_planning = _action(
    lambda _, found: project_execution.stop_planning(found), "Stopping the planning…", *permissions.STOP_RUN
)


@require_POST
@sees(*SEES_PROJECT, *permissions.CHANGE_TASK)
def skip_task(request: HttpRequest, project_id: uuid.UUID, task_id: uuid.UUID) -> HttpResponse:
    """Skip a task of the project."""
    return _with_task(request, project_id, task_id, tasks.skip, "Skipped")


@require_POST
@sees(*SEES_PROJECT, *permissions.CHANGE_TASK)
def finish_task(request: HttpRequest, project_id: uuid.UUID, task_id: uuid.UUID) -> HttpResponse:
    """Set a task of the project to done."""
    return _with_task(request, project_id, task_id, lambda task: tasks.set_status(task, Task.Status.DONE), "Done")


@require_POST
@sees(*SEES_PROJECT, *permissions.CHANGE_TASK)
def assign_agentless(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
    """Assign one agent to all tasks of the project that need an agent and have none."""
    found = project_of(project_id)
    form = AgentlessForm(request.POST)
    if not form.is_valid():
        messages.warning(request, "Choose an agent.", extra_tags="warn")
        return redirect("project", found.pk)
    agent = form.cleaned_data["agent"]
    return done(request, found, lambda: tasks.assign_unassigned(found, agent), f"Assigned to {agent.name}.")


def _with_task(
    request: HttpRequest, project_id: uuid.UUID, task_id: uuid.UUID, act: Callable[[Task], Any], text: str
) -> HttpResponse:
    found = project_of(project_id)
    task = get_object_or_404(Task, pk=task_id, project=found)
    return done(request, found, lambda: act(task), f"{text}: {task.title}")


def done(request: HttpRequest, found: Project, act: Callable[[], Any], text: str, *, at: str = "") -> HttpResponse:
    """Call the action; redirect to the project's page with a message, also on a refusal. Raises EditConflict."""
    try:
        act()
    except EditConflict:
        raise
    except Refusal as refusal:
        messages.warning(request, f"{refusal.detail.rstrip('.')}.", extra_tags="warn")
    else:
        messages.success(request, text, extra_tags="ok")
    return HttpResponseRedirect(reverse("project", args=[found.pk]) + (f"#{at}" if at else ""))


def project_of(project_id: uuid.UUID) -> Project:
    """Return the project with its requirements. Raises Http404 if it does not exist."""
    return get_object_or_404(Project.objects.select_related("prd_document"), pk=project_id)
