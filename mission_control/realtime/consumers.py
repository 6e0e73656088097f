"""The sockets: authorise, subscribe, catch up, forward. They read only.

Each subscribes first and then sends what is stored, so that nothing falls between; its cursor drops what it has
sent and reads what is missing.
"""

import asyncio
import json
import logging
import re
import uuid
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, cast
from urllib.parse import parse_qs

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Model, Q

from mission_control.models import AccessToken, Project, Run, Task
from mission_control.queries.project_files import browse
from mission_control.realtime.activity_relay import BOARD
from mission_control.realtime.auth import CLIENT_GONE, token_of
from mission_control.realtime.frames import (
    KNOWN_TO_POCKETPAW,
    OF_A_TASK,
    OUTPUT,
    Frame,
    connection_info,
    error_text,
)
from mission_control.realtime.publisher import Message
from mission_control.realtime.relay import Follower, recently_active, standing
from mission_control.realtime.replay import Cursor
from mission_control.realtime.sessions import PERMISSION, Ending, Login, Logins, Watched
from mission_control.text import as_uuid

UNAUTHENTICATED, FORBIDDEN, UNKNOWN = 4401, 4403, 4404
FROM_LAYER = {"run.frames", "run.positions", "hint"}
# What is asked for, beside the socket's own, to be told of what is no run.
PERMISSIONS = {
    "mc_activity_created": "mission_control.view_activity",
    "mc_task_updated": "mission_control.view_task",
    "mc_project_updated": "mission_control.view_project",
}

BROWSE = "mission_control.view_project"  # what looking into the projects' folders asks for

logger = logging.getLogger(__name__)


class BoardConsumer(AsyncWebsocketConsumer):
    """All that happens. The others narrow it to one task, project or run."""

    channel_layer_alias = "process"
    unauthenticated_code = UNAUTHENTICATED
    scope_of_runs = Q()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.follower: Follower | None = None
        self.subscribed_groups: list[str] = []
        self.hidden_events: set[str] = set()
        self.watched: Watched | None = None
        self.closing: asyncio.Task[None] | None = None

    # ------------------------------------------------------------ coming and going
    async def __call__(self, scope: Any, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.leave()  # after an error there is no `disconnect`

    async def connect(self) -> None:
        await self.accept()
        await self.log_in(self.user, self.token)

    @property
    def user(self) -> User | AnonymousUser:
        """Return whom SocketLogin put into the scope, which channels knows only as a lazy object."""
        return cast("User | AnonymousUser", self.scope["user"])

    @property
    def token(self) -> AccessToken | None:
        """Return the token by which SocketLogin found the user; None where a session did."""
        return cast("AccessToken | None", self.scope.get("access_token"))

    async def log_in(self, user: User | AnonymousUser, token: AccessToken | None) -> None:
        if not user.is_authenticated or not user.is_active:
            await self.close(self.unauthenticated_code)
        elif not await database_sync_to_async(user.has_perm)(PERMISSION):
            await self.close(FORBIDDEN)
        else:
            session_key = None if token else self.scope["session"].session_key
            self.watched = Logins.here().watch(Login.of(user, token, session_key), self.lose)
            self.hidden_events = await database_sync_to_async(_hidden_from)(user)
            await self.begin()

    def lose(self, ending: Ending) -> None:
        """Close: what the client came in by no longer holds. From here on nothing more is sent."""
        code = self.unauthenticated_code if ending is Ending.LOGIN else FORBIDDEN
        self.closing = asyncio.create_task(self._close_as_lost(code))

    async def _close_as_lost(self, code: int) -> None:
        await self.leave()
        with suppress(*CLIENT_GONE):
            await self.close(code)

    async def begin(self) -> None:
        """Subscribe, note where each run stands, say hello, then send what the client asked for again."""
        target = await self.find_target()
        if target is None:
            await self.close(UNKNOWN)
            return
        self.follower = Follower.here()
        self.cursor = Cursor(self.follower)
        self.subscribed_groups = [target]
        await self.follower.join(self.channel_name, self.subscribed_groups)
        for header, last_seq, _ in await self.follower.read(standing, recently_active() & self.scope_of_runs):
            self.cursor.place(header.run_id, last_seq)
        await self.send(connection_info())  # from here on: what the client starts now, it gets from the beginning
        await self.resume()

    async def find_target(self) -> str | None:
        """Return the group to subscribe to, None when what the path names does not exist."""
        return BOARD

    async def resume(self) -> None:
        """Send what the query string asks for."""

    async def disconnect(self, code: int) -> None:
        await self.leave()

    async def leave(self) -> None:
        if self.watched is not None:
            Logins.here().release(self.watched)
        if self.follower is not None:
            follower, self.follower = self.follower, None
            await follower.leave(self.channel_name, self.subscribed_groups)

    # ------------------------------------------------------------ what comes from the layer
    async def dispatch(self, message: Message) -> None:
        """Handle a message.

        One from the layer touches no connection of a thread pool, so none is looked after: channels would change
        threads for it, for every frame to every socket.
        """
        if message["type"] in FROM_LAYER:
            await getattr(self, message["type"].replace(".", "_"))(message)
        else:
            await super().dispatch(message)

    async def run_frames(self, message: Message) -> None:
        await self.forward(await self.cursor.advance(message))

    async def run_positions(self, message: Message) -> None:
        mine = {run: at[0] for run, at in message["positions"].items() if self.follows(run, *at[1:])}
        await self.forward(await self.cursor.behind(mine))

    def follows(self, run: str, task: str | None, project: str | None) -> bool:
        """Tell whether a run is one that this socket shows."""
        return True

    async def hint(self, message: Message) -> None:
        frame = Frame(*message["frame"])
        if frame.event not in self.hidden_events:
            await self.forward([frame])

    async def forward(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            if self.wants(frame):
                await self.send(frame.as_text())

    def wants(self, frame: Frame) -> bool:
        return True

    async def send(  # type: ignore[override]  # channels' own overrides its base class's just so
        self, text_data: str | None = None, bytes_data: bytes | None = None, close: bool = False
    ) -> None:
        """Send, unless the client has just gone, which is no error, or its login no longer holds."""
        if self.closing is not None:
            return
        with suppress(*CLIENT_GONE):
            await super().send(text_data, bytes_data, close)

    # ------------------------------------------------------------ what comes from the client
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.closing is not None:
            return
        try:
            content = None if text_data is None else json.loads(text_data, parse_constant=_refuse)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            await self.send(error_text("What was sent is no JSON object"))
            return
        await self.act(content)

    async def act(self, content: dict[str, Any]) -> None:
        await self.send(error_text("Unknown action"))

    def number_in_query(self, name: str) -> int | None:
        """Return a number from the query string; None when it is not there. Raises ValueError."""
        given = self.in_query(name)
        if given is None:
            return None
        if not re.fullmatch(r"[0-9]{1,10}", given) or int(given) >= 2**31:  # Python's int also takes 1_0 and ٣
            raise ValueError(name)
        return int(given)

    def in_query(self, name: str) -> str | None:
        return parse_qs(self.scope["query_string"].decode("latin-1")).get(name, [None])[0]

    async def exists(self, model: type[Model]) -> bool:
        """Tell whether what the path names exists."""
        key = as_uuid(self.scope["url_route"]["kwargs"]["key"])
        self.key = str(key)
        return key is not None and await Follower.here().read(model._default_manager.filter(pk=key).exists)

    async def replay(self, run: str, *, after: int) -> None:
        async for frames in self.cursor.replay(run, after=after):
            await self.forward(frames)


class RunConsumer(BoardConsumer):
    """One run; `?after=SEQ` first replays what is stored behind that number."""

    async def find_target(self) -> str | None:
        if not await self.exists(Run):
            return None
        self.scope_of_runs = Q(pk=self.key)
        return f"run.{self.key}"

    def follows(self, run: str, task: str | None, project: str | None) -> bool:
        return run == self.key

    async def resume(self) -> None:
        try:
            after = self.number_in_query("after")
        except ValueError:
            await self.send(error_text("after: a number from 0 is expected"))
            return
        if after is not None:
            await self.replay(self.key, after=after)
        elif self.key not in self.cursor.at:
            [(header, last_seq, _)] = await self.cursor.follower.read(standing, self.scope_of_runs)
            self.cursor.place(header.run_id, last_seq)


class TaskConsumer(BoardConsumer):
    """The runs of one task; `?run=RUN&after=SEQ` replays the rest of that run, then every newer one."""

    async def find_target(self) -> str | None:
        if not await self.exists(Task):
            return None
        self.scope_of_runs = Q(task=self.key)
        run = self.in_query("run")
        if run is not None and not await Follower.here().read(_is_run_of, as_uuid(run), self.key):
            return None
        return f"task.{self.key}"

    def follows(self, run: str, task: str | None, project: str | None) -> bool:
        return task == self.key

    async def resume(self) -> None:
        run = self.in_query("run")
        if run is None:
            return
        try:
            after = self.number_in_query("after") or 0
        except ValueError:
            await self.send(error_text("after: a number from 0 is expected"))
            return
        run = str(as_uuid(run))
        await self.replay(run, after=after)
        for newer in await self.cursor.follower.read(_newer_runs, run, self.key):
            await self.replay(str(newer), after=0)


class ProjectConsumer(BoardConsumer):
    """The runs of one project."""

    async def find_target(self) -> str | None:
        if not await self.exists(Project):
            return None
        self.scope_of_runs = Q(project=self.key)
        return f"project.{self.key}"

    def follows(self, run: str, task: str | None, project: str | None) -> bool:
        return project == self.key


class PocketPawConsumer(BoardConsumer):
    """`/ws`: the board as PocketPaw's own page expects it, with its login by message and its silences."""

    unauthenticated_code = 4003
    LOGIN_SECONDS = 10

    async def connect(self) -> None:
        await self.accept()
        self.deadline: asyncio.Task[None] | None = None
        if self.user.is_authenticated or b"token=" in self.scope["query_string"]:
            await self.log_in(self.user, self.token)
        else:
            self.deadline = asyncio.create_task(self._expect_login())

    async def _expect_login(self) -> None:
        await asyncio.sleep(self.LOGIN_SECONDS)
        await self.close(self.unauthenticated_code)

    async def disconnect(self, code: int) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
        await super().disconnect(code)

    async def act(self, content: dict[str, Any]) -> None:
        action = content.get("action")
        if action == "authenticate" and self.follower is None:
            if self.deadline is not None:
                self.deadline.cancel()
            token = await token_of(str(content.get("token", "")))
            await self.log_in(token.user if token else AnonymousUser(), token)
        elif self.follower is None or self.watched is None:
            await self.close(self.unauthenticated_code)
        elif action == "browse":
            path, context = content.get("path"), content.get("context")
            path = path if isinstance(path, str) else ""
            found = await self.follower.read(_browse_for, self.watched.login.user_id, path)
            # No more than a text comes back: what json takes, such as 1e999 or a hundred levels, it may not give.
            shown = context if isinstance(context, str) else None
            await self.send(json.dumps({"type": "files", **found, "context": shown}))
        elif not isinstance(action, str):
            await super().act(content)

    def wants(self, frame: Frame) -> bool:
        """Leave out output that PocketPaw's page does not know, and the run of a planning, which has no task."""
        if frame.event in OF_A_TASK and not frame.has_task:
            return False
        return frame.event != OUTPUT or frame.output_type in KNOWN_TO_POCKETPAW


def _refuse(constant: str) -> None:
    """Raise ValueError for `NaN` and `Infinity`, which Python's json takes and JSON does not have."""
    raise ValueError(constant)


def _hidden_from(user: User | AnonymousUser) -> set[str]:
    """Return the events that the user may not see."""
    return {event for event, permission in PERMISSIONS.items() if not user.has_perm(permission)}


def _browse_for(user_id: int, path: str) -> dict[str, Any]:
    """Look into a folder for a user who may see projects now; say to another why not."""
    user = User.objects.filter(pk=user_id).first()
    if user is None or not user.has_perm(BROWSE):
        return {"path": path, "files": [], "error": "Access denied: you need the permission “Can view project”"}
    return browse(path)


def _is_run_of(run: uuid.UUID | None, task: str) -> bool:
    return run is not None and Run.objects.filter(pk=run, task_id=task).exists()


def _newer_runs(run: str, task: str) -> list[uuid.UUID]:
    since = Run.objects.values_list("queued_at", flat=True).get(pk=run)
    newer = Run.objects.filter(task_id=task, queued_at__gte=since).exclude(pk=run)
    return list(newer.order_by("queued_at", "id").values_list("pk", flat=True))
