"""The ASGI application: HTTP and sockets, for daphne or uvicorn."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pocketpaw_site.settings")
os.environ.setdefault("MISSION_CONTROL_PROCESS", "web")

from django.core.asgi import get_asgi_application

http = get_asgi_application()

# Models can be imported only after the application was made.
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402

from mission_control.routing import websocket_urlpatterns  # noqa: E402
from mission_control.sockets import SocketLogin  # noqa: E402
from pocketpaw_site.http import BodyLimit, Request  # noqa: E402
from pocketpaw_site.supervisor.parentage import follow_parent  # noqa: E402

follow_parent()
http.request_class = Request

application = ProtocolTypeRouter(
    {
        "http": BodyLimit(http, max_bytes=settings.MAX_BODY_BYTES),
        "websocket": SocketLogin(URLRouter(websocket_urlpatterns)),
    }
)
