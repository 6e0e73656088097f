"""A request is answered in a thread that is kept, with its connection to the database, for the next one."""

import asyncio
import threading
import weakref
from collections.abc import Callable

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from mission_control.compat.django_asgi import KEPT_THREADS, OneThreadHandler, RequestThread

pytestmark = pytest.mark.django_db(transaction=True)

ANSWER_SECONDS = 20


class Handler(OneThreadHandler):
    """Answers in place of the views, and records where."""

    def __init__(self, view: Callable[[], HttpResponseBase] = HttpResponse) -> None:
        super().__init__()
        self.view = view
        self.threads: list[int] = []
        self.connections: list[object] = []

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        connection.ensure_connection()
        self.threads.append(threading.get_ident())
        self.connections.append(connection.connection)
        return self.view()

    def request(self) -> ApplicationCommunicator:
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
        return ApplicationCommunicator(self, scope)


async def send(request: ApplicationCommunicator) -> None:
    await request.send_input({"type": "http.request", "body": b""})


async def answer_of(request: ApplicationCommunicator) -> None:
    assert (await request.receive_output(ANSWER_SECONDS))["type"] == "http.response.start"
    while (await request.receive_output(ANSWER_SECONDS)).get("more_body"):
        pass
    await request.wait(ANSWER_SECONDS)


async def test_one_request_after_the_other_uses_the_same_thread_and_connection():
    handler = Handler()
    for _ in range(3):
        await send(request := handler.request())
        await answer_of(request)
    assert len(set(handler.threads)) == 1
    assert len({id(used) for used in handler.connections}) == 1


async def test_requests_at_the_same_time_have_threads_of_their_own_and_few_idle_ones_are_kept():
    number = KEPT_THREADS + 3
    together = threading.Barrier(number, timeout=ANSWER_SECONDS)

    def view() -> HttpResponse:
        together.wait()
        return HttpResponse()

    handler = Handler(view)
    requests = [handler.request() for _ in range(number)]
    for request in requests:
        await send(request)
    await asyncio.gather(*map(answer_of, requests))
    assert len(set(handler.threads)) == number
    assert len(RequestThread._idle) == KEPT_THREADS


async def test_a_request_that_still_runs_when_its_client_has_gone_delays_no_other():
    begun, free = threading.Event(), threading.Event()

    def view() -> HttpResponse:
        begun.set()
        assert free.wait(ANSWER_SECONDS)
        return HttpResponse()

    slow, quick = Handler(view), Handler()
    await send(gone := slow.request())
    assert await asyncio.to_thread(begun.wait, ANSWER_SECONDS)
    await gone.send_input({"type": "http.disconnect"})
    for _ in range(2):
        await send(request := quick.request())
        await answer_of(request)
    free.set()
    await gone.wait(ANSWER_SECONDS)
    assert slow.threads[0] not in quick.threads


async def test_a_stream_needs_no_thread_while_it_lasts():
    goes_on = asyncio.Event()

    async def pieces():
        yield b"a"
        await goes_on.wait()

    stream, plain = Handler(lambda: StreamingHttpResponse(pieces())), Handler()
    await send(request := stream.request())
    for _ in range(2):
        await request.receive_output(ANSWER_SECONDS)
    await send(other := plain.request())
    await answer_of(other)
    assert plain.threads == stream.threads
    goes_on.set()
    await request.receive_output(ANSWER_SECONDS)
    await request.wait(ANSWER_SECONDS)


async def test_a_long_download_does_not_keep_in_memory_what_it_has_sent():
    read: list[weakref.ref[set[bytes]]] = []

    async def pieces():
        for number in range(5):
            piece = await sync_to_async(lambda number=number: {b"%d" % number})()
            read.append(weakref.ref(piece))
            yield piece.pop()

    handler = Handler(lambda: StreamingHttpResponse(pieces()))
    await send(request := handler.request())
    for _ in range(1 + 5):
        await request.receive_output(ANSWER_SECONDS)
    assert [piece() for piece in read[:3]] == [None] * 3
    await request.wait(ANSWER_SECONDS)
