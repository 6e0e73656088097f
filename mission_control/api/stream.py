"""`GET …/runs/{id}/stream`: a run's log as Server-Sent Events (WHATWG HTML, "Server-sent events")."""

import asyncio

from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from rest_framework.exceptions import MethodNotAllowed, ValidationError

from mission_control.api.errors import answer_for
from mission_control.api.permissions import authorise
from mission_control.cursor import Cursor
from mission_control.follower import Follower
from mission_control.ids import as_uuid
from mission_control.models import Run
from mission_control.runs.errors import NotFound

KEEP_ALIVE_SECONDS = 15.0  # so that proxies keep a silent connection


async def stream_run(request: HttpRequest, run_id: str) -> HttpResponse:
    """Stream the frames behind `Last-Event-ID` or `?after=` (default: all), then live, to the run's last."""
    try:
        run, after = await sync_to_async(_find)(request, run_id)
    except Exception as error:  # noqa: BLE001 - the API's one handler answers it
        return await sync_to_async(answer_for)(error, request)
    return StreamingHttpResponse(
        _lines(run, after),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


def _find(request: HttpRequest, run_id: str) -> tuple[Run, int]:
    authorise(request, "mission_control.view_run")
    if request.method not in ("GET", "HEAD"):
        raise MethodNotAllowed(request.method)
    key = as_uuid(run_id)
    run = key and Run.objects.light().filter(pk=key).first()
    if not run:
        raise NotFound("Run")
    given = request.headers.get("Last-Event-ID") or request.GET.get("after") or "0"
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        raise ValidationError({"after": ["A number from 0 is expected."]})
    return run, int(given)


async def _lines(run: Run, after: int):
    key = str(run.pk)
    follower, layer = Follower.here(), get_channel_layer("process")
    channel, groups = await layer.new_channel(), [f"run.{key}"]
    cursor = Cursor(follower)
    await follower.join(channel, groups)
    try:
        yield "retry: 1000\n\n"
        async for frames in cursor.replay(key, after=after):
            yield "".join(frame.as_sse() for frame in frames)
        ended = not await follower.read(Run.objects.active().filter(pk=key).exists)
        if ended:  # what came between the replay and the end
            yield "".join(frame.as_sse() for frame in await cursor.missing(key))
            return
        async for frames in _live(layer, channel, cursor, key):
            yield "".join(frame.as_sse() for frame in frames) or ": still here\n\n"
            if frames and frames[-1].is_last:
                return
    finally:
        await follower.leave(channel, groups)


async def _live(layer, channel: str, cursor: Cursor, run: str):
    """Yield the frames that come, and an empty list after a silence."""
    while True:
        try:
            message = await asyncio.wait_for(layer.receive(channel), KEEP_ALIVE_SECONDS)
        except TimeoutError:
            yield []
            continue
        if message["type"] == "run.frames":
            frames = await cursor.advance(message)
        elif message["type"] == "run.positions":
            frames = await cursor.behind({key: at[0] for key, at in message["positions"].items() if key == run})
        else:
            continue
        if frames:
            yield frames
