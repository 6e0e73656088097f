"""Whether the process is up, and whether the whole is ready. No login, no detail that helps an attacker."""

from collections.abc import Callable

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import MethodNotAllowed

from mission_control.api.errors import answer_for
from mission_control.runs.workers import alive

PING_SECONDS = 1


def _read_only(view: Callable[[], JsonResponse]) -> Callable[[HttpRequest], JsonResponse]:
    @csrf_exempt
    def answer(request: HttpRequest) -> JsonResponse:
        if request.method not in ("GET", "HEAD"):
            return answer_for(MethodNotAllowed(request.method), request)
        response = view()
        response["Cache-Control"] = "no-store"
        return response

    return answer


@_read_only
def healthz() -> JsonResponse:
    return JsonResponse({"status": "ok"})


@_read_only
def readyz() -> JsonResponse:
    database = _database()
    parts = {
        "database": database,
        "channel_layer": _channel_layer(),
        "worker": _worker() if database == "ok" else "not known without the database",
    }
    is_ready = all(state == "ok" for state in parts.values())
    return JsonResponse({"status": "ok" if is_ready else "unavailable", **parts}, status=200 if is_ready else 503)


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
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=PING_SECONDS, socket_timeout=PING_SECONDS
    )
    try:
        client.ping()
    except redis.RedisError:
        return "does not answer"
    finally:
        client.close()
    return "ok"


def _worker() -> str:
    try:
        return "ok" if alive() else "none is alive"
    except (DatabaseError, InterfaceError):
        return "not known: the database has no such table"
