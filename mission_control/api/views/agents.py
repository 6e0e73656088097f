"""Agents, and the backends that run them."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import connections
from agents.backends import registry
from agents.choices import choices_for
from agents.discovery.scanner import scanner
from agents.models import Agent
from mission_control.actions import agent_tools, agents, found_agents
from mission_control.actions.permissions import acting_user
from mission_control.api import querysets
from mission_control.api.filters import AgentFilter
from mission_control.api.schema import NO_NUL, one_of
from mission_control.api.serializers.agents import (
    AgentReader,
    AgentWriter,
    Backends,
    CheckedServers,
    ChoicesQuery,
    ChoicesReader,
    FoundAgents,
    FoundUse,
    UsedAgent,
)
from mission_control.api.views.base import ObjectViews
from mission_control.errors import NotFound, OperatorDecides, WrongState

TEXT = {"type": "string", "pattern": NO_NUL}
# Options of an agent on which the known values depend, as `ChoicesQuery` checks them. An empty one is not given.
CHOICES_QUERY = [
    OpenApiParameter(
        "backend", {"type": "string", "enum": ["", *registry.names()]}, description="Default: the default backend."
    ),
    OpenApiParameter("command", TEXT | {"maxLength": 50}, description="The program, for the backend `command`."),
    OpenApiParameter(
        "base_url",
        TEXT | {"maxLength": 500},
        description="The server's address, for the backend `pydantic_ai`.",
    ),
]


class AgentViews(ObjectViews):
    """Agents. Their status is active while they have a run."""

    queryset = querysets.agents()
    filterset_class = AgentFilter
    noun, one, many, reader = "Agent", "agent", "agents", AgentReader
    writers = {
        "create": AgentWriter,
        "partial_update": AgentWriter,
        "use_found": FoundUse,
        "ask_choices": ChoicesQuery,
    }
    answers = {
        "heartbeat": one_of("agent", AgentReader),
        "list_found": FoundAgents,
        "find_again": FoundAgents,
        "use_found": UsedAgent,
        "check_tools": CheckedServers,
        "show_choices": ChoicesReader,
        "ask_choices": ChoicesReader,
    }
    refusals = {"use_found": [WrongState], "check_tools": [OperatorDecides]}
    action_permissions = {
        "heartbeat": ["agents.change_agent"],
        "list_found": ["agents.add_agent"],
        "find_again": ["agents.add_agent"],
        "use_found": ["agents.add_agent"],
        "check_tools": ["agents.change_agent"],
        "ask_choices": ["agents.add_agent"],
    }

    def create(self, request: Request) -> Response:
        return self.now(agents.create(**self.given()))

    def retrieve(self, request: Request, pk: str) -> Response:
        return self.answer(self.find(pk))

    def partial_update(self, request: Request, pk: str) -> Response:
        return self.now(agents.change(self.find(pk), **self.given()))

    def destroy(self, request: Request, pk: str) -> Response:
        agents.delete(self.find(pk))
        return self.deleted(pk)

    def heartbeat(self, request: Request, pk: str) -> Response:
        return self.now(agents.heartbeat(self.find(pk)))

    @extend_schema(summary="Start each of the agent's MCP servers once, and list its tools. For superusers.")
    def check_tools(self, request: Request, pk: str) -> Response:
        results = agent_tools.check_servers(self.find(pk), by=acting_user())
        return Response(CheckedServers({"servers": results, "count": len(results)}).data)

    @extend_schema(summary="The agents that this machine offers. The search runs in the background.")
    def list_found(self, request: Request) -> Response:
        return self._found(again=False)

    @extend_schema(summary="Search this machine for agents again, in the background.")
    def find_again(self, request: Request) -> Response:
        return self._found(again=True)

    def _found(self, *, again: bool) -> Response:
        result = scanner.result(again=again)
        shown = {"found": result.findings, "count": len(result.findings)}
        return Response(
            FoundAgents({**shown, "checked_at": result.checked_at, "is_checking": result.is_checking}).data
        )

    @extend_schema(summary="Make an agent of something that was found, and start a test of it.")
    def use_found(self, request: Request, pk: str) -> Response:
        given, finding, user = self.given(), scanner.finding(pk), acting_user()
        if finding is None or user is None:
            raise NotFound("Agent")
        used = found_agents.use(finding, by=user, **given)
        answer = {
            "agent": AgentReader(self.find(str(used.agent.pk))).data,
            "created": used.is_new,
            "test_run_id": used.test and used.test.pk,
            "test_refusal": used.refusal or None,
        }
        return Response(answer)

    @extend_schema(parameters=CHOICES_QUERY, summary="The known values of a backend's options, such as models.")
    def show_choices(self, request: Request) -> Response:
        query = ChoicesQuery(data={name: value for name, value in request.query_params.items() if value})
        query.is_valid(raise_exception=True)
        return self._choices(request, query.validated_data, again=False)

    @extend_schema(
        operation_id="backends_choices_ask",
        summary="Ask providers, servers and programs for the values again, in the background.",
    )
    def ask_choices(self, request: Request) -> Response:
        return self._choices(request, self.given(), again=True)

    def _choices(self, request: Request, given: dict[str, Any], *, again: bool) -> Response:
        connections.refresh()
        options = {name: value for name, value in given.items() if value and name != "backend"}
        asks = again or any(request.user.has_perm(f"agents.{kind}_agent") for kind in ("add", "change"))
        found = choices_for(given.get("backend", settings.DEFAULT_BACKEND), options, ask=asks, again=again)
        return Response(ChoicesReader({"choices": found.values, "sources": found.sources}).data)


class BackendsView(APIView):
    """The backends agents can use, and what is missing for those that are not available."""

    queryset = Agent.objects.all()
    answers = {"get": Backends}

    def get(self, request: Request) -> Response:
        connections.refresh()
        backends = registry.describe()
        return Response({"backends": backends, "count": len(backends)})
