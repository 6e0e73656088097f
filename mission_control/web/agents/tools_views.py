"""The page with an agent's tools: its MCP servers, which an operator can check, skills and instructions."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods

from agents.backends import registry
from agents.models import Agent
from mission_control.actions import agent_tools
from mission_control.actions.permissions import Rights
from mission_control.errors import Refusal
from mission_control.web.shared.views import person_of, sees, show


@require_http_methods(["GET", "HEAD", "POST"])
@sees("agents.view_agent")
def agent_tools_page(request: HttpRequest, agent_id: uuid.UUID) -> HttpResponse:
    """Show what an agent can use; a POST starts its MCP servers once and shows their tools."""
    agent = get_object_or_404(Agent, pk=agent_id)
    servers, checked, status = agent_tools.mcp_servers(agent), {}, 200
    if request.method == "POST":
        try:
            results = agent_tools.check_servers(agent, by=person_of(request))
            checked = {one.server.name: one for one in results}
        except Refusal as refusal:
            messages.warning(request, f"{refusal.detail}.", extra_tags="warn")
            status = refusal.status
    skills, notices = agent_tools.operators_skills()
    context = {
        "agent": agent,
        "servers": [(server, server.problem(), checked.get(server.name)) for server in servers],
        "is_checked": bool(checked),
        "may_check": agent_tools.may_check(request.user),
        "has_mcp": "mcp" in registry.capabilities_of(agent.backend),
        "skills": skills,
        "notices": notices,
        "folders": agent_tools.of_projects(agent) if Rights(request.user).view_project else [],
    }
    return show(request, "agents/tools.html", context, at="agents", status=status)
