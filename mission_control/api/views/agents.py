"""Agents, and the backends that run them."""

from typing import Any

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
from mission_control.api.schema import one_of
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


class AgentViews(ObjectViews):
    """Agents. Their status is active while they have a run."""

    queryset = querysets.agents()
    filterset_class = AgentFilter
    noun, one, many, reader = "Agent", "agent", "agents", AgentReader
    writers = {"create": AgentWriter, "partial_update": AgentWriter, "use_found": FoundUse}
    answers = {
        "heartbeat": one_of("agent", AgentReader),
        "list_found": FoundAgents,
        "find_again": FoundAgents,
        "use_found": UsedAgent,
        "check_tools": CheckedServers,
    }
    refusals = {"use_found": [WrongState], "check_tools": [OperatorDecides]}
    action_permissions = {
        "heartbeat": ["agents.change_agent"],
        "list_found": ["agents.add_agent"],
        "find_again": ["agents.add_agent"],
        "use_found": ["agents.add_agent"],
        "check_tools": ["agents.change_agent"],
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


# Options of an agent on which the known values depend, in the query.
CHOICES_QUERY = [
    OpenApiParameter("command", str, description="The program, for the backend `command`."),
    OpenApiParameter("base_url", str, description="The server's address, for the backend `pydantic_ai`."),
]


class ChoicesView(APIView):
    """The known values of a backend's options, for an agent with the options in the query."""

    queryset = Agent.objects.all()
    serializer_class = ChoicesQuery
    answers = {"get": ChoicesReader, "post": ChoicesReader}

    @extend_schema(parameters=CHOICES_QUERY, summary="The known values of a backend's options, such as models.")
    def get(self, request: Request, name: str) -> Response:
        return self._choices(request, name, request.query_params, again=False)

    @extend_schema(
        request=ChoicesQuery,
        operation_id="backends_choices_again",
        summary="Ask providers and servers again for their models.",
    )
    def post(self, request: Request, name: str) -> Response:
        return self._choices(request, name, request.data, again=True)

    def _choices(self, request: Request, name: str, data: Any, *, again: bool) -> Response:
        connections.refresh()
        if name not in registry.names():
            raise NotFound("Backend")
        query = ChoicesQuery(data=data)
        query.is_valid(raise_exception=True)
        options = {key: value for key, value in query.validated_data.items() if value}
        asks = any(request.user.has_perm(f"agents.{kind}_agent") for kind in ("add", "change"))
        found = choices_for(name, options, ask=asks, again=again and asks)
        return Response(ChoicesReader({"choices": found.values, "sources": found.sources}).data)


class BackendsView(APIView):
    """The backends agents can use, and what is missing for those that are not available."""

    queryset = Agent.objects.all()
    answers = {"get": Backends}

    def get(self, request: Request) -> Response:
        connections.refresh()
        backends = registry.describe()
        return Response({"backends": backends, "count": len(backends)})
