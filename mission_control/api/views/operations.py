"""Probes of the web process and of the whole product, without login or any detail that helps an attacker."""

from typing import Any

from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mission_control import __version__
from mission_control.api.negotiation import IgnoreAccept
from mission_control.api.serializers.operations import Liveness, Readiness
from mission_control.health import readiness


class OpenView(APIView):
    """Answers anyone, in JSON, never from a cache."""

    authentication_classes = []
    permission_classes = []
    renderer_classes = [JSONRenderer]
    content_negotiation_class = IgnoreAccept

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response["Cache-Control"] = "no-store"
        return super().finalize_response(request, response, *args, **kwargs)


class LivenessView(OpenView):
    """Whether the web process is up."""

    answers = {"get": Liveness}

    def get(self, request: Request) -> Response:
        return Response({"status": "ok", "version": __version__})


class ReadinessView(OpenView):
    """Whether the database, the channel layer and a worker are available, and the disk has free space."""

    answers = {"get": {200: Readiness, 503: Readiness}}

    def get(self, request: Request) -> Response:
        parts = readiness.states()
        is_ready = all(state == readiness.OK for state in parts.values())
        answer = {"status": "ok" if is_ready else "unavailable", **parts, "version": __version__}
        return Response(answer, status=200 if is_ready else 503)
