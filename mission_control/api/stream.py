"""`GET …/runs/{id}/stream`: a run's log as Server-Sent Events (WHATWG HTML, "Server-sent events")."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from channels.layers import BaseChannelLayer, channel_layers
from django.db import InterfaceError, OperationalError
from django.http import StreamingHttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from mission_control.api import querysets
from mission_control.api.negotiation import IgnoreAccept
from mission_control.api.pagination import NUMBER, number_from
from mission_control.api.stream_places import StreamPlace, TooManyStreams
from mission_control.api.views.base import find
from mission_control.health.disk import describe_failure
from mission_control.models import AccessToken, Run
from mission_control.realtime.frames import OF_A_RUN, Frame
from mission_control.realtime.relay import Relay
from mission_control.realtime.replay import ReplayPosition
from mission_control.realtime.sessions import ConnectionLogin, LoginMonitor

KEEP_ALIVE_SECONDS = 15.0  # so that proxies do not close a silent connection

logger = logging.getLogger(__name__)

LAST_SEEN = re.compile("[0-9]{0,9}")
EVENT = {
    "type": "object",
    "description": "One per run event. The data is the JSON object of the matching WebSocket frame.",
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$", "description": "The event's number."},
        "event": {"type": "string", "enum": OF_A_RUN},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["id", "event", "data"],
}


class StreamView(APIView):
    """A run's events as Server-Sent Events: all after a number (default: 0), then new ones until the last."""

    queryset = Run.objects.all()
    renderer_classes = [JSONRenderer]
    content_negotiation_class = IgnoreAccept
    refusals = {"get": [TooManyStreams]}
    answers = {"get": {(200, "text/event-stream"): EVENT}}

    @extend_schema(
        parameters=[
            OpenApiParameter("after", NUMBER, description="Number of the last event the client has received."),
            OpenApiParameter(
                "Last-Event-ID",
                {"type": "string", "pattern": f"^{LAST_SEEN.pattern}$"},
                OpenApiParameter.HEADER,
                description="The same, as sent by browsers; takes precedence over `after`.",
            ),
        ]
    )
    def get(self, request: Request, pk: str) -> StreamingHttpResponse:
        run = find(querysets.RUN, "Run", pk)
        after = number_from(request, "after", 0)
        last_seen = request.headers.get("Last-Event-ID", "")
        if not LAST_SEEN.fullmatch(last_seen):
            raise ValidationError({"Last-Event-ID": ["Must be the number of an event."]})
        after = int(last_seen) if last_seen else after
        assert request.user.is_authenticated, "view_run is required"
        token = request.auth if isinstance(request.auth, AccessToken) else None
        login = ConnectionLogin.of(request.user, token, None if token else request.session.session_key)
        return StreamingHttpResponse(
            _lines(run, after, login, StreamPlace(request.user.pk)),
            content_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )


async def _lines(run: Run, after: int, login: ConnectionLogin, place: StreamPlace) -> AsyncIterator[str]:
    """Yield the stream; end it early when its login is no longer valid, or when the database is unavailable.

    The client then reconnects. Daphne would leave a response open forever if it failed halfway.
    """
    monitor = LoginMonitor.for_running_loop()
    watched = monitor.watch(login)
    try:
        async with aclosing(_log(run, after)) as log:
            async for lines in log:
                if watched.end_reason is not None:
                    return
                yield lines
    except (OperationalError, InterfaceError) as error:
        logger.warning("a stream is ended: %s (%s)", describe_failure(error), type(error).__name__)
    finally:
        monitor.release(watched)
        place.release()


async def _log(run: Run, after: int) -> AsyncGenerator[str]:
    key = str(run.pk)
    relay, layer = Relay.for_running_loop(), channel_layers["process"]
    channel, groups = await layer.new_channel(), [f"run.{key}"]
    position = ReplayPosition(relay)
    try:
        await relay.join(channel, groups)
        yield "retry: 1000\n\n"
        async for frames in position.replay(key, after=after):
            yield "".join(frame.as_sse() for frame in frames)
        ended = not await relay.read(Run.objects.active().filter(pk=key).exists)
        if ended:  # events between the replay and the run's end
            yield "".join(frame.as_sse() for frame in await position.missing(key))
            return
        async for frames in _live(layer, channel, position, key):
            yield "".join(frame.as_sse() for frame in frames) or ": still here\n\n"
            if frames and frames[-1].is_last:
                return
    finally:
        await relay.leave(channel, groups)


async def _live(
    layer: BaseChannelLayer, channel: str, position: ReplayPosition, run: str
) -> AsyncIterator[list[Frame]]:
    """Yield new frames, and an empty list after KEEP_ALIVE_SECONDS without any, even if other messages arrived."""
    loop = asyncio.get_running_loop()
    spoke_at = loop.time()
    while True:
        try:
            async with asyncio.timeout_at(spoke_at + KEEP_ALIVE_SECONDS):
                message = await layer.receive(channel)
        except TimeoutError:
            yield []
            spoke_at = loop.time()
            continue
        if message["type"] == "run.frames":
            frames = await position.advance(message)
        elif message["type"] == "run.positions":
            frames = await position.catch_up(
                {key: at[0] for key, at in message["positions"].items() if key == run}
            )
        else:
            continue
        if frames:
            yield frames
            spoke_at = loop.time()
