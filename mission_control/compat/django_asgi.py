"""Django 5.2's ASGI handler and asgiref 3.13's threads, from the inside.

Used: `ASGIHandler.load_middleware` and `get_response_async`, which Django calls and does not document;
`HttpRequest._set_content_type_params`; `SyncToAsync.thread_sensitive_context` and
`context_to_thread_executor`, where asgiref keeps the thread of each request. No setting and no documented
method does what is done with them here.
"""

from typing import Any

from asgiref.sync import SyncToAsync, sync_to_async
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.db import close_old_connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.http import parse_header_parameters


class Utf8Request(ASGIRequest):
    """A request that ignores the charset: bodies and queries are UTF-8.

    For a charset Django would parse the query again while it creates the request, where an error in the query
    cannot be answered.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))


class OneThreadHandler(ASGIHandler):
    """Django's handler, but it switches to a request's thread only once.

    Django's own switches between the event loop and that thread at every middleware, although all of ours are
    synchronous. An asynchronous view still runs in the event loop.
    """

    request_class = Utf8Request

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        self.prepare()
        response = await sync_to_async(self.respond, thread_sensitive=True)(request)
        if response.streaming:
            end_request_thread()
        return response

    def prepare(self) -> None:
        """Prepare the request's context. Called in the event loop."""

    def respond(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response.

        A streaming one, which may last for hours, returns its connection to the pool first.
        """
        response = self.get_response(request)
        if response.streaming:
            close_old_connections()
        return response


def end_request_thread() -> None:
    """End the thread that Django keeps for the current request; it gets a new one if it needs it."""
    context = SyncToAsync.thread_sensitive_context.get(None)
    executor = SyncToAsync.context_to_thread_executor.pop(context, None) if context else None
    if executor is not None:
        executor.shutdown(wait=False)
