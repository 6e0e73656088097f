"""Views of a project's plan as a list, with one task opened in a form."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from agents.models import Agent
from mission_control.actions import tasks
from mission_control.actions.locking import locked
from mission_control.actions.permissions import Rights
from mission_control.errors import Refusal
from mission_control.models import Activity, Project, Task
from mission_control.web.project.forms import PlanTaskForm
from mission_control.web.project.graph import plan_tasks
from mission_control.web.project.views import SEES_PROJECT, project_of
from mission_control.web.shared import conflicts
from mission_control.web.shared.conflicts import EditConflict, changed_only
from mission_control.web.shared.states import project_state, state_of
from mission_control.web.shared.views import person_of, sees, show

NEW = "new"
GONE = "This task was removed while you were editing. You can add your text as a new task."


@require_http_methods(["GET", "HEAD", "POST"])
@sees(*SEES_PROJECT)
def plan(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
    """Show the plan as a list with one task opened in a form (`?task=` its id or `new`), or save the form."""
    found = project_of(project_id)
    listed = list(plan_tasks(found))
    chosen_task, posted = request.GET.get("task", ""), request.POST if request.method == "POST" else None
    opened = next((task for task in listed if str(task.pk) == chosen_task), None)
    may = Rights(request.user)
    is_one_more = chosen_task == NEW or (posted is not None and opened is None)
    form = None
    if may.add_task if is_one_more else opened and may.change_task:
        form = _task_form(posted, found, opened)
    elif posted is not None:
        return render(request, "403.html", status=403)
    if form is not None and form.is_bound:
        if opened is None and chosen_task != NEW:
            form.add_error(None, GONE)
        if _is_written(request, form, found, opened):
            return redirect("project-plan", found.pk)
    context = {
        "project": found,
        "state": project_state(found),
        "rows": [(task, state_of(task)) for task in listed],
        "opened": opened,
        "form": form,
        "basis": form.basis(_values(opened)) if form and opened else "",
        "theirs": f"{request.path}?task={chosen_task}",  # no fragment: the browser loads the page again
        "chosen": _chosen(request, form),
        "is_editable": found.status in Project.EDITABLE,
    }
    return show(request, "project/plan.html", context, at="projects", status=form.status if form else 200)


def _task_form(posted: Any, found: Project, opened: Task | None) -> PlanTaskForm:
    if posted is None and opened is not None:
        return PlanTaskForm.of(opened, found)
    return PlanTaskForm(posted, project=found, task=opened)


def _chosen(request: HttpRequest, form: PlanTaskForm | None) -> list[str]:
    if form is None:
        return []
    return request.POST.getlist("blocked_by") if form.is_bound else list(form.initial.get("blocked_by", []))


def _is_written(request: HttpRequest, form: PlanTaskForm, found: Project, opened: Task | None) -> bool:
    """Save the form and return whether that worked. A refusal becomes its error or its conflict."""
    if not form.is_valid():
        return False
    try:
        if opened is None:
            _create(found, **form.cleaned_data)
        else:
            _change(request, opened, form.cleaned_data)
    except EditConflict as conflict:
        form.conflict = conflict
    except Refusal as refusal:
        form.add_error(next((name for name in refusal.body if name in form.fields), None), refusal.detail)
    else:
        return True
    return False


def _create(found: Project, *, assignee: Agent | None, blocked_by: Iterable[Task], **given: Any) -> None:
    assignees = [assignee] if assignee else []
    tasks.create(project=found, creator_id="human", assignees=assignees, blocked_by=list(blocked_by), **given)


def _change(request: HttpRequest, opened: Task, given: dict[str, Any]) -> None:
    """Save the fields that the user changed. Raises EditConflict if another person changed one of them too.

    Locks the dependencies, then the task's row.
    """
    compared = {
        **given,
        "assignee": _named([given["assignee"]] if given["assignee"] else []),
        "blocked_by": _named(given["blocked_by"]),
    }
    basis = request.POST.get("basis", "")
    with transaction.atomic():
        tasks.lock_dependencies()  # before the row is locked, as in `tasks.change`
        task = locked(opened)
        names = changed_only(
            compared,
            _values(task),
            basis,
            edits=Activity.objects.filter(task=task, is_edit=True),
            user=person_of(request),
        )
        changed = {name: given[name] for name in names}
        if "blocked_by" in changed:
            changed["blocked_by"] = list(changed["blocked_by"])
        if "assignee" in changed:
            changed["assignees"] = tasks.with_first_assignee(task, changed.pop("assignee"))
        tasks.change(task, **changed)


def _values(task: Task) -> dict[str, Any]:
    """Return the values that the task's form edits, agents and tasks as readable names, for conflicts."""
    texts = {name: getattr(task, name) for name in ("title", "description", "task_type", "priority")}
    first = [assignment.agent for assignment in task.assignments.all()][:1]
    return {**texts, "assignee": _named(first), "blocked_by": _named(task.blocked_by.all())}


def _named(rows: Iterable[Agent | Task]) -> list[str]:
    return conflicts.named((row.name if isinstance(row, Agent) else row.title, row.pk) for row in rows)


@require_POST
@sees(*SEES_PROJECT, "delete_task")
def delete_task(request: HttpRequest, project_id: uuid.UUID, task_id: uuid.UUID) -> HttpResponse:
    """Delete a task from the plan."""
    found = project_of(project_id)
    task = get_object_or_404(Task, pk=task_id, project=found)
    try:
        tasks.delete(task)
    except Refusal as refusal:
        messages.warning(request, f"{refusal.detail}.", extra_tags="warn")
    return redirect("project-plan", found.pk)
