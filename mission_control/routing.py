"""Where the sockets are; each path with or without a trailing slash."""

from channels.generic.websocket import AsyncWebsocketConsumer
from django.urls import re_path

from mission_control.consumers import (
    UNKNOWN,
    BoardConsumer,
    PocketPawConsumer,
    ProjectConsumer,
    RunConsumer,
    TaskConsumer,
)


class NoSuchSocket(AsyncWebsocketConsumer):
    """Any other path."""

    async def connect(self) -> None:
        await self.accept()
        await self.close(UNKNOWN)


websocket_urlpatterns = [
    re_path(r"^ws/?$", PocketPawConsumer.as_asgi()),
    re_path(r"^ws/mission-control/?$", BoardConsumer.as_asgi()),
    re_path(r"^ws/mission-control/tasks/(?P<key>[^/]+)/?$", TaskConsumer.as_asgi()),
    re_path(r"^ws/mission-control/projects/(?P<key>[^/]+)/?$", ProjectConsumer.as_asgi()),
    re_path(r"^ws/mission-control/runs/(?P<key>[^/]+)/?$", RunConsumer.as_asgi()),
    re_path(r"", NoSuchSocket.as_asgi()),
]
