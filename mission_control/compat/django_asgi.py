"""Django 5.2's ASGI handler and asgiref 3.13's threads, from the inside.

Used: `ASGIHandler.load_middleware`, `read_body` and `get_response_async`, which Django calls and does not
document, and `HttpRequest._set_content_type_params`. No setting and no documented method does the same.
The threads are given to asgiref by its documented `ThreadSensitiveContext(executor=…)`.
"""

from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import IO, Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.db import close_old_connections, connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.http import parse_header_parameters

KEPT_THREADS = 8  # the most that are kept idle; requests that are answered at the same time may use more


class Utf8Request(ASGIRequest):
    """A request that ignores the charset: bodies and queries are UTF-8.

    If a request names a charset, Django parses the query once more while it creates the request; an error in the
    query cannot be answered there.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))


class RequestThread(Executor):
    """The thread of one request: an idle one that was kept with its database connection, or a new one."""

    _idle: list[ThreadPoolExecutor] = []

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._calls: list[Future[Any]] = []  # those that have not ended, and the last one

    def submit(self, *call: Any, **options: Any) -> Future[Any]:
        if self._thread is None:
            self._thread = self._idle.pop() if self._idle else ThreadPoolExecutor(1, "request")
        future = self._thread.submit(*call, **options)
        self._calls = [*(call for call in self._calls if not call.done()), future]
        return future

    def release(self) -> None:
        """Give the thread back as soon as it is idle. If the request needs a thread again, it takes another one.

        A call may still be running in the thread if the client has gone.
        """
        thread, self._thread = self._thread, None
        running, self._calls = [call for call in self._calls if not call.done()], []
        if thread is None:
            return
        if running:
            running[-1].add_done_callback(lambda _: self._keep_closed(thread))
        else:
            self._keep(thread)

    @classmethod
    def _keep_closed(cls, thread: ThreadPoolExecutor) -> None:
        """Keep a thread whose request has ended before its call; until now it holds a connection of the pool."""
        thread.submit(close_old_connections)
        cls._keep(thread)

    @classmethod
    def _keep(cls, thread: ThreadPoolExecutor) -> None:
        if len(cls._idle) < KEPT_THREADS:
            cls._idle.append(thread)
        else:
            thread.submit(connections.close_all)
            thread.shutdown(wait=False)


# The file in which our web server has stored the body of a large request.
stored_body: ContextVar[IO[bytes] | None] = ContextVar("stored_body", default=None)
_request_thread: ContextVar[RequestThread | None] = ContextVar("request_thread", default=None)


class OneThreadHandler(ASGIHandler):
    """Django's handler, but with kept threads, and it switches to a request's thread only once.

    Django's own switches between the event loop and that thread at every middleware, although all of ours are
    synchronous. An asynchronous view still runs in the event loop. It also starts a thread for each request, whose
    connection to the database is closed with it.
    """

    request_class = Utf8Request

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        thread = RequestThread()
        _request_thread.set(thread)
        try:
            async with ThreadSensitiveContext(executor=thread):
                await super().__call__(scope, receive, send)
        finally:
            thread.release()

    async def read_body(self, receive: Any) -> IO[bytes]:
        """Return the body as a file: that in which our web server has stored it, or one with what it sends."""
        sent: IO[bytes] = await super().read_body(receive)
        stored = stored_body.get()
        if stored is None:
            return sent
        sent.close()
        return stored

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        self.prepare()
        response = await sync_to_async(self.respond, thread_sensitive=True)(request)
        thread = _request_thread.get()
        if response.streaming and thread is not None:
            thread.release()
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
