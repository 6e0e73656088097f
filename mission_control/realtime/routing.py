"""The paths of the WebSockets, each with or without a trailing slash."""

from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.urls import re_path

from mission_control.realtime.connection import NOT_FOUND
from mission_control.realtime.consumers import (
    BoardConsumer,
    PocketPawConsumer,
    ProjectConsumer,
    RunConsumer,
    TaskConsumer,
)
from mission_control.realtime.page_consumer import PageConsumer


class NoSuchSocket(AsyncWebsocketConsumer):
    """Any other path."""

    async def connect(self) -> None:
        await self.accept()
        await self.close(NOT_FOUND)


def socket(pattern: str, consumer: type[AsyncWebsocketConsumer]) -> Any:
    """Return a route. Django's type names a view as its target; channels' router takes an application instead."""
    application: Any = consumer.as_asgi()
    return re_path(pattern, application)


websocket_urlpatterns = [
    socket(r"^ws/?$", PocketPawConsumer),
    socket(r"^ws/mission-control/?$", BoardConsumer),
    socket(r"^ws/pages/?$", PageConsumer),
    socket(r"^ws/mission-control/tasks/(?P<key>[^/]+)/?$", TaskConsumer),
    socket(r"^ws/mission-control/projects/(?P<key>[^/]+)/?$", ProjectConsumer),
    socket(r"^ws/mission-control/runs/(?P<key>[^/]+)/?$", RunConsumer),
    socket(r"", NoSuchSocket),
]
