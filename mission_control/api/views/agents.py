from rest_framework.response import Response
from rest_framework.views import APIView

from agents.backends import registry
from agents.models import Agent
from mission_control import team
from mission_control.api import querysets
from mission_control.api.filters import AgentFilter
from mission_control.api.serializers.agents import AgentReader, AgentWriter
from mission_control.api.views.base import ObjectViews


class AgentViews(ObjectViews):
    """Agents. Their status reads active while they have a run."""

    queryset = querysets.agents()
    filterset_class = AgentFilter
    noun, one, many, reader = "Agent", "agent", "agents", AgentReader
    writers = {"create": AgentWriter, "partial_update": AgentWriter}

    def create(self, request) -> Response:
        return self.now(team.create(**self.given()))

    def retrieve(self, request, pk: str) -> Response:
        return self.answer(self.find(pk))

    def partial_update(self, request, pk: str) -> Response:
        return self.now(team.change(self.find(pk), **self.given()))

    def destroy(self, request, pk: str) -> Response:
        team.delete(self.find(pk))
        return self.deleted(pk)


class BackendsView(APIView):
    """What agents can be run by, and what is missing where one cannot."""

    queryset = Agent.objects.all()

    def get(self, request) -> Response:
        backends = registry.describe()
        return Response({"backends": backends, "count": len(backends)})
