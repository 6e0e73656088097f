"""The WebSocket consumers: authorise, subscribe, replay, forward. They never write to the database.

Each subscribes first and then sends stored events, so that none is missed in between; its replay position drops
events that it has sent already and reads those that are missing.
"""

import asyncio
import json
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db import DatabaseError
from django.db.models import Model, Q

from mission_control.models import Project, Run, Task
from mission_control.queries.project_files import browse
from mission_control.realtime.activity_relay import BOARD
from mission_control.realtime.auth import token_of
from mission_control.realtime.connection import NOT_FOUND, AuthorisedConsumer
from mission_control.realtime.frames import (
    ANSWERED,
    ASKED,
    KNOWN_TO_POCKETPAW,
    OF_A_TASK,
    OUTPUT,
    PARKED,
    RESUMED,
    USAGE,
    Frame,
    connection_info,
    error_text,
)
from mission_control.realtime.publisher import Message
from mission_control.realtime.relay import Relay
from mission_control.realtime.replay import ReplayPosition
from mission_control.realtime.run_positions import read_positions, recently_active
from mission_control.realtime.sessions import CHECK_SECONDS
from mission_control.text import as_uuid

# The permission that each event about something other than a run needs, beside the socket's own.
PERMISSIONS = {
    "mc_activity_created": "mission_control.view_activity",
    "mc_task_updated": "mission_control.view_task",
    "mc_project_updated": "mission_control.view_project",
    ASKED: "mission_control.view_run",
    ANSWERED: "mission_control.view_run",
    "page_notifications": "mission_control.view_notification",
}

UNKNOWN_TO_POCKETPAW = {PARKED, RESUMED, USAGE, ASKED, ANSWERED}
BROWSE = "mission_control.view_project"  # the permission to list the folders of projects


class BoardConsumer(AuthorisedConsumer):
    """All events. The subclasses narrow it to one task, project or run."""

    direct_messages = frozenset({"run.frames", "run.positions", "feed.frame"})
    scope_of_runs = Q()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.relay: Relay | None = None
        self.subscribed_groups: list[str] = []
        self.hidden_events: set[str] = set()
        self.rights_read_at = 0.0

    async def start(self) -> None:
        """Subscribe, note the last event of each run, send the greeting, then replay what the client requests."""
        assert self.watched is not None, "the user is logged in"
        relay = Relay.for_running_loop()
        self.hidden_events = await relay.read(_hidden_from, self.watched.login.user_id)
        self.rights_read_at = time.monotonic()
        groups = await self.find_groups()
        if groups is None:
            await self.close(NOT_FOUND)
            return
        self.relay = relay
        self.position = ReplayPosition(self.relay)
        self.subscribed_groups = groups
        await self.relay.join(self.channel_name, self.subscribed_groups)
        for row in await self.relay.read(read_positions, recently_active() & self.scope_of_runs):
            self.position.set(row.header.run_id, row.last_seq)
        await self.greet()  # a client that has the greeting receives every event of a run it starts
        await self.resume()

    async def find_groups(self) -> list[str] | None:
        """Return the groups to subscribe to; None if the object that the path names does not exist."""
        return [BOARD]

    async def greet(self) -> None:
        await self.send(connection_info())

    async def resume(self) -> None:
        """Replay the events that the query string requests."""

    async def leave(self) -> None:
        await super().leave()
        if self.relay is not None:
            relay, self.relay = self.relay, None
            await relay.leave(self.channel_name, self.subscribed_groups)

    # ------------------------------------------------------------ messages from the channel layer
    async def run_frames(self, message: Message) -> None:
        await self.forward(await self.position.advance(message))

    async def run_positions(self, message: Message) -> None:
        mine = {run: at[0] for run, at in message["positions"].items() if self.follows(run, *at[1:])}
        await self.forward(await self.position.catch_up(mine))

    def follows(self, run: str, task: str | None, project: str | None) -> bool:
        """Return whether this socket shows the run."""
        return True

    async def feed_frame(self, message: Message) -> None:
        frame: Frame = message["frame"]
        if frame.event in PERMISSIONS and time.monotonic() - self.rights_read_at >= CHECK_SECONDS:
            await self.read_rights()
        if frame.event not in self.hidden_events:
            await self.forward([frame])

    async def read_rights(self) -> None:
        """Load the user's permissions again: they may have changed while the socket is open."""
        if self.relay is None or self.watched is None:
            return
        self.rights_read_at = time.monotonic()
        with suppress(DatabaseError):  # without an answer the last known permissions stay valid
            self.hidden_events = await self.relay.read(_hidden_from, self.watched.login.user_id)

    async def forward(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            if self.wants(frame):
                await self.send(frame.text)

    def wants(self, frame: Frame) -> bool:
        return True

    async def exists(self, model: type[Model]) -> bool:
        """Return whether the object that the path names exists."""
        key = as_uuid(self.scope["url_route"]["kwargs"]["key"])
        self.key = str(key)
        return key is not None and await Relay.for_running_loop().read(
            model._default_manager.filter(pk=key).exists
        )

    async def replay(self, run: str, *, after: int) -> None:
        async for frames in self.position.replay(run, after=after):
            await self.forward(frames)


class RunConsumer(BoardConsumer):
    """One run; `?after=SEQ` first replays the events stored after that number."""

    async def find_groups(self) -> list[str] | None:
        if not await self.exists(Run):
            return None
        self.scope_of_runs = Q(pk=self.key)
        return [f"run.{self.key}"]

    def follows(self, run: str, task: str | None, project: str | None) -> bool:
        return run == self.key

    async def resume(self) -> None:
        try:
            after = self.number_in_query("after")
        except ValueError:
            await self.send(error_text("after must be a number from 0"))
            return
        if after is not None:
            await self.replay(self.key, after=after)
        elif self.key not in self.position.seqs:
            [row] = await self.position.relay.read(read_positions, self.scope_of_runs)
            self.position.set(row.header.run_id, row.last_seq)


class TaskConsumer(BoardConsumer):
    """The runs of one task; `?run=RUN&after=SEQ` replays the rest of that run, then every newer one."""

    async def find_groups(self) -> list[str] | None:
        if not await self.exists(Task):
            return None
        self.scope_of_runs = Q(task=self.key)
        run = self.in_query("run")
        if run is not None and not await Relay.for_running_loop().read(_is_run_of, as_uuid(run), self.key):
            return None
        return [f"task.{self.key}"]

    def follows(self, run: str, task: str | None, project: str | None) -> bool:
        return task == self.key

    async def resume(self) -> None:
        run = self.in_query("run")
        if run is None:
            return
        try:
            after = self.number_in_query("after") or 0
        except ValueError:
            await self.send(error_text("after must be a number from 0"))
            return
        run = str(as_uuid(run))
        await self.replay(run, after=after)
        for newer in await self.position.relay.read(_newer_runs, run, self.key):
            await self.replay(str(newer), after=0)


class ProjectConsumer(BoardConsumer):
    """The runs of one project."""

    async def find_groups(self) -> list[str] | None:
        if not await self.exists(Project):
            return None
        self.scope_of_runs = Q(project=self.key)
        return [f"project.{self.key}"]

    def follows(self, run: str, task: str | None, project: str | None) -> bool:
        return project == self.key


class PocketPawConsumer(BoardConsumer):
    """`/ws`: the board as PocketPaw's own page expects it: with login by message, and only the events it knows."""

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

    async def handle_action(self, content: dict[str, Any]) -> None:
        action = content.get("action")
        if action == "authenticate" and self.relay is None:
            if self.deadline is not None:
                self.deadline.cancel()
            token = await token_of(str(content.get("token", "")))
            await self.log_in(token.user if token else AnonymousUser(), token)
        elif self.relay is None or self.watched is None:
            await self.close(self.unauthenticated_code)
        elif action == "browse":
            path, context = content.get("path"), content.get("context")
            path = path if isinstance(path, str) else ""
            found = await self.relay.read(_browse_for, self.watched.login.user_id, path)
            # Only a string is returned: json accepts values that it may fail to write, such as 1e999 or deep
            # nesting.
            shown = context if isinstance(context, str) else None
            await self.send(json.dumps({"type": "files", **found, "context": shown}))
        elif not isinstance(action, str):
            await super().handle_action(content)

    def wants(self, frame: Frame) -> bool:
        """Leave out what PocketPaw's page does not know, such as some output, and runs without a task."""
        if frame.event in UNKNOWN_TO_POCKETPAW or (frame.event in OF_A_TASK and not frame.has_task):
            return False
        return frame.event != OUTPUT or frame.output_type in KNOWN_TO_POCKETPAW


def _hidden_from(user_id: int) -> set[str]:
    """Return the events that the user may not see."""
    user = User.objects.filter(pk=user_id).first()
    return {event for event, permission in PERMISSIONS.items() if user is None or not user.has_perm(permission)}


def _browse_for(user_id: int, path: str) -> dict[str, Any]:
    """List a folder for a user who may currently view projects; return an error for any other."""
    user = User.objects.filter(pk=user_id).first()
    if user is None or not user.has_perm(BROWSE):
        return {"path": path, "files": [], "error": "Access denied: you need the “Can view project” permission"}
    return browse(path)


def _is_run_of(run: uuid.UUID | None, task: str) -> bool:
    return run is not None and Run.objects.filter(pk=run, task_id=task).exists()


def _newer_runs(run: str, task: str) -> list[uuid.UUID]:
    since = Run.objects.values_list("queued_at", flat=True).get(pk=run)
    newer = Run.objects.filter(task_id=task, queued_at__gte=since).exclude(pk=run)
    return list(newer.order_by("queued_at", "id").values_list("pk", flat=True))
