"""What stands between the server and Django's views: what no view could refuse, or answer, in time."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from asgiref.sync import SyncToAsync, sync_to_async
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.db import InterfaceError, OperationalError, close_old_connections
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.template.loader import render_to_string
from django.utils.http import parse_header_parameters

from mission_control import broadcast

logger = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponseBase]
# ASGI's terms, as loose as its messages are.
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


class Request(ASGIRequest):
    """A request whose charset changes nothing: bodies and queries are UTF-8.

    Django would parse the query again for a charset, while it makes the request, where an error of the query is
    nobody's to answer.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))


class Handler(ASGIHandler):
    """Django's handler, which enters a request's thread once.

    Django's own changes between the event loop and that thread at every middleware, there and back; all of ours
    are synchronous. An asynchronous view still runs in the event loop.
    """

    request_class = Request

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        broadcast.serve_in(asyncio.get_running_loop())
        response = await sync_to_async(self.respond, thread_sensitive=True)(request)
        if response.streaming:
            end_request_thread()
        return response

    def respond(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response. One that is sent for hours gives its database connection back before it begins."""
        response = self.get_response(request)
        if response.streaming:
            close_old_connections()
        return response


def end_request_thread() -> None:
    """End the thread that Django keeps for the running request; it gets a new one if it needs one again."""
    context = SyncToAsync.thread_sensitive_context.get(None)
    executor = SyncToAsync.context_to_thread_executor.pop(context, None) if context else None
    if executor is not None:
        executor.shutdown(wait=False)


class Compression(GZipMiddleware):
    """Django middleware: compress what is sent whole. A stream of events would wait until a block is full."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.headers.get("Content-Type", "").startswith("text/event-stream"):
            return response
        return super().process_response(request, response)


class DatabaseAway:
    """Django middleware: 503 while the database does not answer, and one line in the log.

    Who opens a page gets one that says so, programs the API's form of an error.
    """

    DETAIL = "The database does not answer at the moment. Try again."
    RETRY_AFTER_SECONDS = 2

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, OperationalError | InterfaceError):
            return None
        logger.warning("the database does not answer (%s)", type(exception).__name__)
        headers = {"Retry-After": str(self.RETRY_AFTER_SECONDS)}
        if "text/html" in request.headers.get("Accept", "") and not request.path.startswith("/api/"):
            return HttpResponse(render_to_string("503.html"), status=503, headers=headers)
        return JsonResponse({"detail": self.DETAIL}, status=503, headers=headers)


class BodyTooLarge(Exception):
    """The body grew over the limit while it came."""


class BodyLimit:
    """ASGI middleware: a body over `max_bytes` is answered 413 with the API's form of an error."""

    def __init__(self, app: Application, *, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.max_bytes:
            await self.refuse(send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.max_bytes:
                raise BodyTooLarge
            return message

        try:
            await self.app(scope, counted, send)
        except BodyTooLarge:
            await self.refuse(send)

    async def refuse(self, send: Send) -> None:
        body = json.dumps({"detail": f"The body is larger than {self.max_bytes} bytes"}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": body})
