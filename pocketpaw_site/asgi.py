"""The ASGI application: HTTP and sockets, for daphne or uvicorn."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pocketpaw_site.settings")
os.environ.setdefault("MISSION_CONTROL_PROCESS", "web")

from django.core.asgi import get_asgi_application

http = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings

from mission_control.routing import websocket_urlpatterns
from mission_control.sockets import SocketLogin
from pocketpaw_site.body_limit import BodyLimit

application = ProtocolTypeRouter(
    {
        "http": BodyLimit(http, max_bytes=settings.MAX_BODY_BYTES),
        "websocket": SocketLogin(URLRouter(websocket_urlpatterns)),
    }
)
