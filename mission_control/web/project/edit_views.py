"""Views that edit a project's own fields and its requirements."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from agents.models import Agent
from mission_control.actions import projects
from mission_control.actions import requirements as actions
from mission_control.actions.locking import locked
from mission_control.actions.permissions import Rights
from mission_control.models import Activity, Project
from mission_control.web.project.forms import ProjectEdit, RequirementsForm
from mission_control.web.project.views import SEES_PROJECT, done, project_of
from mission_control.web.shared import conflicts
from mission_control.web.shared.conflicts import EditConflict, changed_only
from mission_control.web.shared.views import person_of, sees, show


@require_http_methods(["GET", "HEAD", "POST"])
@sees(*SEES_PROJECT, "change_project")
def edit_project(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
    """Show the form of the project's own fields and its team, or save it."""
    found = project_of(project_id)
    form = ProjectEdit(request.POST) if request.method == "POST" else ProjectEdit.of(found)
    if form.is_bound and form.is_valid():
        try:
            return done(request, found, lambda: _change(request, found, form.cleaned_data), "Saved.")
        except EditConflict as conflict:
            form.conflict = conflict
    chosen = {
        str(key) for key in (request.POST.getlist("team_agents") if form.is_bound else form.initial["team_agents"])
    }
    agents = [(agent, str(agent.pk) in chosen) for agent in Agent.objects.only("name", "role")]
    context = {"project": found, "form": form, "agents": agents, "basis": form.basis(_values(found))}
    context["leave_url"] = reverse("project", args=[found.pk])
    return show(request, "project/edit.html", context, at="projects", status=form.status)


def _values(found: Project) -> dict[str, Any]:
    """Return the values that the project's form edits, the team as names so that people can read a conflict."""
    texts = {name: getattr(found, name) for name in ("title", "description", "tags")}
    return {**texts, "team_agents": _names(found.team_agents.all())}


def _names(agents: Iterable[Agent]) -> list[str]:
    return conflicts.named((agent.name, agent.pk) for agent in agents)


def _change(request: HttpRequest, found: Project, given: dict[str, Any]) -> None:
    """Save the fields that the user changed. Raises EditConflict if another person changed one of them too.

    Locks the project's row if the form has a basis.
    """
    if "basis" not in request.POST:
        projects.change(found, **given)
        return
    team, edits = (
        given["team_agents"],
        Activity.objects.filter(project_id=found.pk, subject=Activity.Subject.PROJECT),
    )
    with transaction.atomic():
        now = _values(locked(found))
        compared = {**given, "team_agents": _names(team)}
        changed = changed_only(compared, now, request.POST["basis"], edits=edits, user=person_of(request))
        if "team_agents" in changed:
            changed["team_agents"] = team
        projects.change(found, **changed)


@require_http_methods(["GET", "HEAD", "POST"])
@sees(*SEES_PROJECT, "view_deliverable")
def requirements(request: HttpRequest, project_id: uuid.UUID) -> HttpResponse:
    """Show the form of the requirements, or save them as the next version or the first."""
    found = project_of(project_id)
    document, may = found.prd_document, Rights(request.user)
    if not (may.change_deliverable if document else may.add_requirements):
        return render(request, "403.html", status=403)
    form = RequirementsForm(request.POST or None, initial={"content": document.content if document else ""})
    if form.is_bound and form.is_valid():
        content = form.cleaned_data["content"]
        try:
            return done(request, found, lambda: _write_requirements(request, found, content), "Saved.", at="prd")
        except EditConflict as conflict:
            form.conflict = conflict
    shown = {"content": document.content if document else ""}
    context = {"project": found, "form": form, "document": document, "basis": form.basis(shown)}
    context["leave_url"] = reverse("project", args=[found.pk])
    return show(request, "project/requirements.html", context, at="projects", status=form.status)


def _write_requirements(request: HttpRequest, found: Project, content: str) -> None:
    """Save the next version, or the first. Raises EditConflict if another person saved a version in between.

    Locks the document's row, or the project's if there is no document yet.
    """
    with transaction.atomic():
        document = actions.locked_document(found)
        now = {"content": document.content if document else ""}
        edits = Activity.objects.filter(document=document) if document else Activity.objects.none()
        basis = request.POST.get("basis", "")
        if "content" in changed_only({"content": content}, now, basis, edits=edits, user=person_of(request)):
            actions.write(found, content, editor_id="human")
