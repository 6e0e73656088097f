"""Whether the process is up, and whether the whole is ready. No login, no detail that helps an attacker."""

from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mission_control import __version__, versions
from mission_control.api.negotiation import IgnoreAccept
from mission_control.api.serializers.operations import Liveness, Readiness
from mission_control.runs.workers import alive


class OpenView(APIView):
    """Answered to anybody, in JSON, never from a cache."""

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
        return Response({"status": "ok"})


class ReadinessView(OpenView):
    """Whether database, channel layer and a worker are there."""

    answers = {"get": {200: Readiness, 503: Readiness}}

    def get(self, request: Request) -> Response:
        database = _database()
        parts = {
            "database": database,
            "channel_layer": _channel_layer(),
            "worker": _worker() if database == "ok" else "not known without the database",
            "migrations": _migrations() if database == "ok" else "not known without the database",
        }
        is_ready = all(state == "ok" for state in parts.values())
        answer = {"status": "ok" if is_ready else "unavailable", **parts, "version": __version__}
        return Response(answer, status=200 if is_ready else 503)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError):
        return "does not answer"
    return "ok"


def _channel_layer() -> str:
    """Embedded it is this very process."""
    if not settings.REDIS_URL:
        return "ok"
    from mission_control.redis_server import answers

    return "ok" if answers() else "does not answer"


def _migrations() -> str:
    try:
        versions.check_schema()
    except versions.WrongSchema as wrong:
        return str(wrong)
    except (DatabaseError, InterfaceError):
        return "not known: the database does not answer"
    return "ok"


def _worker() -> str:
    try:
        return "ok" if alive() else "none is alive"
    except (DatabaseError, InterfaceError):
        return "not known: the database has no such table"
