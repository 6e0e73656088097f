"""Middleware and handlers in front of Django's views, for what no view could refuse or answer in time."""

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage
from django.core.exceptions import MiddlewareNotUsed
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.template.loader import render_to_string
from django.template.response import SimpleTemplateResponse
from django.urls import resolve

from mission_control.actions.permissions import from_elsewhere
from mission_control.addresses import is_from_this_machine
from mission_control.compat.django_asgi import OneThreadHandler
from mission_control.health import disk
from mission_control.realtime import publisher

logger = logging.getLogger(__name__)
DISK_IS_FULL = "The disk is full."
# The paths that take files for working folders, of the API and of the pages.
UPLOADS = re.compile(r"/(?:tasks|projects)/[^/]+/(?:files|add-files|messages|attach|run)/?\Z")

GetResponse = Callable[[HttpRequest], HttpResponseBase]
# ASGI's terms; its messages have no fixed types.
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


class Handler(OneThreadHandler):
    """Django's handler; the event loop that serves a request sends what the request publishes."""

    def prepare(self) -> None:
        publisher.send_from_loop(asyncio.get_running_loop())


class Compression(GZipMiddleware):
    """Django middleware: compress pages, answers and static files of 200 bytes or more.

    The length of a compressed page can betray a secret in it to someone who makes the page repeat guesses
    (BREACH). Two things prevent that. Django masks the CSRF token in another way in each page, and adds up to 100
    random bytes. A response that shows an access token says `no-transform` and is sent as it is. So is an event
    stream: compressed, an event would wait until a block is full.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_stream = response.headers.get("Content-Type", "").startswith("text/event-stream")
        if is_stream or "no-transform" in response.headers.get("Cache-Control", ""):
            return response
        return super().process_response(request, response)


class MessagesCookie(CookieStorage):
    """Django's storage in a cookie, with a name of this installation."""

    cookie_name = settings.MESSAGES_COOKIE_NAME


class InstallationMessages(FallbackStorage):
    """Stores messages for the next page in a cookie with a name of this installation, or in the session."""

    storage_classes = (MessagesCookie, SessionStorage)


class OutageResponses:
    """Django middleware: answer 503 while the database does not answer or the disk is full, and log one line.

    A browser gets a page, an API client the API's form of an error.
    """

    RETRY_AFTER_SECONDS = 2

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        full = disk.is_disk_full(exception)
        if not full and not isinstance(exception, OperationalError | InterfaceError):
            return None
        failure = disk.describe_failure(exception)
        logger.warning(f"{failure} (%s)", type(exception).__name__)  # noqa: G004 - the log's filter distinguishes them
        headers = {"Retry-After": str(self.RETRY_AFTER_SECONDS)}
        if "text/html" in request.headers.get("Accept", "") and not request.path_info.startswith("/api/"):
            page = render_to_string("503.html", {"failure": failure, "disk_is_full": full})
            return HttpResponse(page, status=503, headers=headers)
        detail = DISK_IS_FULL if full else f"{failure.capitalize()} at the moment. Try again."
        return JsonResponse({"detail": detail}, status=503, headers=headers)


class Health:
    """Django middleware: answer the health paths for any Host, scheme or session.

    The client is a load balancer or a supervisor that knows only the process's address.
    """

    PATHS = ("/healthz", "/readyz")

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.rstrip("/") not in self.PATHS:
            return self.get_response(request)
        response: HttpResponseBase = resolve(request.path_info).func(request)
        if isinstance(response, SimpleTemplateResponse):  # as DRF's are
            response.render()
        return response


class Whereabouts:
    """Django middleware: let actions know whether the request comes from this machine.

    An operator's decisions, such as which programs agents may run, are only taken from there.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with from_elsewhere(not is_from_this_machine(request)):
            return self.get_response(request)


class HttpsOnly:
    """Django middleware: with BEHIND_TLS, redirect requests that reached the proxy by plain HTTP to HTTPS.

    Only if the proxy says so: without X-Forwarded-Proto the request did not come through the proxy, or the proxy
    does not set the header, and a redirect would lead back here for ever.
    """

    def __init__(self, get_response: GetResponse) -> None:
        if not settings.BEHIND_TLS:
            raise MiddlewareNotUsed
        self.get_response = get_response
        self._is_warned = False

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "X-Forwarded-Proto" not in request.headers:
            self._warn("a request came without X-Forwarded-Proto")
        elif not request.is_secure() and settings.HTTPS_REDIRECT:
            self._warn("a request came by plain HTTP, says X-Forwarded-Proto, and is sent to HTTPS")
            return self._to_https(request)
        return self.get_response(request)

    def _to_https(self, request: HttpRequest) -> HttpResponse:
        address = f"https://{request.get_host()}{request.get_full_path()}"
        if request.method in ("GET", "HEAD"):
            return HttpResponseRedirect(address)  # not permanent: the setting may be wrong
        return JsonResponse({"detail": f"Use HTTPS: {address}"}, status=403)

    def _warn(self, what: str) -> None:
        """Log once per process what an operator should know if it happens to every request."""
        if not self._is_warned:
            self._is_warned = True
            logger.warning("BEHIND_TLS is set, and %s; the proxy must set that header itself, always", what)


class SubPath:
    """ASGI middleware: serve the product below a path, whether or not the proxy removes the path."""

    def __init__(self, app: Any, *, root: str) -> None:
        self.app = app
        self.root = root

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if self.root and scope["type"] in ("http", "websocket"):
            path = scope["path"]
            if path != self.root and not path.startswith(f"{self.root}/"):
                path = self.root + path
            scope = {**scope, "root_path": self.root, "path": path}
        await self.app(scope, receive, send)


class BodyTooLarge(Exception):
    """The body exceeded the limit while it was received."""


def body_limit(path: str, headers: Mapping[bytes, bytes]) -> int:
    """Return how many bytes the body of a request may have; more if it uploads files and brings a login.

    The names of the headers are in lower case.
    """
    is_form = headers.get(b"content-type", b"").lower().startswith(b"multipart/form-data")
    brings_login = b"cookie" in headers or b"authorization" in headers
    is_upload = is_form and brings_login and UPLOADS.search(path) is not None
    return settings.MAX_UPLOAD_BYTES if is_upload else settings.MAX_BODY_BYTES


class BodyLimit:
    """ASGI middleware: answer 413 for a body over the limit, and 503 if the disk has no room for it.

    Daphne refuses such a body earlier (web_server.py); other servers pass it on as it arrives.
    """

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        max_bytes = body_limit(scope["path"], headers)
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > max_bytes:
            await answer(send, 413, too_large(max_bytes))
            return
        received_bytes, has_begun = 0, False

        async def receive_counted() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > max_bytes:
                raise BodyTooLarge
            return message

        async def send_noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self.app(scope, receive_counted, send_noted)
        except BodyTooLarge:
            await answer(send, 413, too_large(max_bytes))
        except OSError as error:
            if has_begun or not disk.is_disk_full(error):
                raise
            await answer(send, 503, DISK_IS_FULL)


def too_large(max_bytes: int) -> str:
    """Return the error message for a body over the limit."""
    return f"The body is larger than {max_bytes} bytes"


async def answer(send: Send, status: int, detail: str) -> None:
    """Send an error in the API's form."""
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
