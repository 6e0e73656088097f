"""Agents, and the backends that run them."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.backends import registry
from agents.models import Agent
from mission_control.actions import agents
from mission_control.api import querysets
from mission_control.api.filters import AgentFilter
from mission_control.api.schema import one_of
from mission_control.api.serializers.agents import AgentReader, AgentWriter, Backends
from mission_control.api.views.base import ObjectViews


class AgentViews(ObjectViews):
    """Agents. Their status is active while they have a run."""

    queryset = querysets.agents()
    filterset_class = AgentFilter
    noun, one, many, reader = "Agent", "agent", "agents", AgentReader
    writers = {"create": AgentWriter, "partial_update": AgentWriter}
    answers = {"heartbeat": one_of("agent", AgentReader)}
    action_permissions = {"heartbeat": ["agents.change_agent"]}

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


class BackendsView(APIView):
    """The backends agents can use, and what is missing for those that are not available."""

    queryset = Agent.objects.all()
    answers = {"get": Backends}

    def get(self, request: Request) -> Response:
        backends = registry.describe()
        return Response({"backends": backends, "count": len(backends)})
