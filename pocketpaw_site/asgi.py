"""The ASGI application: HTTP and sockets, for daphne or uvicorn."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pocketpaw_site.settings")
os.environ.setdefault("MISSION_CONTROL_PROCESS", "web")

import django

from pocketpaw_site.environment import errors_as_one_line

with errors_as_one_line():
    django.setup(set_prefix=False)

# Models can be imported only after `django.setup`.
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import get_resolver

from agents.discovery.scanner import search_at_start
from mission_control.realtime import routing
from mission_control.realtime.auth import SocketLogin
from mission_control.web.run import output_socket
from pocketpaw_site.collector import tune_collector
from pocketpaw_site.http import BodyLimit, Handler, SubPath
from pocketpaw_site.supervisor.database import check_schema_at_start
from pocketpaw_site.supervisor.parentage import bind_to_parent
from pocketpaw_site.web_server import limit_daphne, raise_file_limit

bind_to_parent()
if settings.IN_WEB_PROCESS:  # not in tests that import the application
    with errors_as_one_line():
        check_schema_at_start()
raise_file_limit()
limit_daphne()

sockets = [*output_socket.websocket_urlpatterns, *routing.websocket_urlpatterns]  # the last one takes any path
application = SubPath(
    ProtocolTypeRouter(
        {
            "http": BodyLimit(Handler()),
            "websocket": SocketLogin(URLRouter(sockets)),
        }
    ),
    root=settings.ROOT_PATH,
)

if settings.IN_WEB_PROCESS:
    _ = get_resolver().url_patterns  # imports all views, which the first request would do otherwise
    tune_collector()
    search_at_start()
