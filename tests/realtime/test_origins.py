"""Which pages may open a socket with the browser's session: only those of the same origin."""

import json

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client

from pocketpaw_site.asgi import application
from tests import make
from tests.realtime.test_consumers import leave

pytestmark = pytest.mark.django_db(transaction=True)

PLAIN: dict[str, object] = {}
BEHIND_TLS = {"BEHIND_TLS": True, "ALLOWED_HOSTS": ["mission.example"]}
PROXIED = {"host": "mission.example", "x-forwarded-proto": "https"}
BY_TRAEFIK = {**PROXIED, "x-forwarded-proto": "wss"}
TRUSTING = {"CSRF_TRUSTED_ORIGINS": ["https://front.example", "https://*.friends.example"]}


@sync_to_async
def session() -> str:
    client = Client()
    client.force_login(make.user())
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


@pytest.mark.parametrize(
    ("how", "headers", "origin", "opens"),
    [
        (PLAIN, {"host": "localhost:8131"}, "http://localhost:8131", True),
        (PLAIN, {"host": "LOCALHOST:8131"}, "http://localhost:8131", True),
        (PLAIN, {"host": "localhost"}, "http://localhost:80", True),
        (PLAIN, {"host": "localhost:8131"}, "http://localhost:9911", False),
        (PLAIN, {"host": "localhost:8131"}, "http://localhost", False),
        (PLAIN, {"host": "localhost:8131"}, "https://localhost:8131", False),
        (PLAIN, {"host": "localhost:8131"}, "http://127.0.0.1:8131", False),
        (PLAIN, {"host": "evil.example"}, "http://evil.example", False),
        (PLAIN, {"host": "localhost:8131"}, "null", False),
        (PLAIN, {"host": "localhost:8131"}, "http://localhost:x", False),
        (PLAIN, {"host": "localhost:8131"}, None, False),
        (PLAIN, {"host": "localhost", "x-forwarded-proto": "https"}, "https://localhost", False),
        (BEHIND_TLS, PROXIED, "https://mission.example", True),
        (BEHIND_TLS, PROXIED, "https://mission.example:8443", False),
        (BEHIND_TLS, PROXIED, "http://mission.example", False),
        (BEHIND_TLS, BY_TRAEFIK, "https://mission.example", True),
        (BEHIND_TLS, BY_TRAEFIK, "http://mission.example", False),
        (BEHIND_TLS, {**PROXIED, "x-forwarded-proto": "ws"}, "https://mission.example", False),
        (BEHIND_TLS, {**PROXIED, "host": "mission.example:8443"}, "https://mission.example:8443", True),
        (TRUSTING, {"host": "localhost:8131"}, "https://front.example", True),
        (TRUSTING, {"host": "localhost:8131"}, "https://front.example:444", False),
        (TRUSTING, {"host": "localhost:8131"}, "https://a.friends.example", True),
        (TRUSTING, {"host": "localhost:8131"}, "https://friends.example.evil.example", False),
    ],
)
async def test_scheme_host_and_port_decide(settings, how, headers, origin, opens):
    for name, value in how.items():
        setattr(settings, name, value)
    sent = {**headers, "cookie": await session()} | ({"origin": origin} if origin else {})
    encoded = [(name.encode(), value.encode()) for name, value in sent.items()]
    client = WebsocketCommunicator(application, "/ws/mission-control", headers=encoded)
    connected, _ = await client.connect(timeout=60)
    assert connected is opens
    if opens:
        assert json.loads(await client.receive_from(timeout=60))["type"] == "connection_info"
        await leave(client)
