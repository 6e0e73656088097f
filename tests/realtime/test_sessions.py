"""Sockets and streams end when the credentials that opened them are no longer valid."""

import json
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mission_control.actions import tasks
from mission_control.api import stream
from mission_control.models import AccessToken
from mission_control.realtime import consumers, sessions
from mission_control.realtime.relay import Relay
from mission_control.realtime.sessions import ConnectionLogin, LoginEnd, LoginMonitor, ended_logins
from tests import make
from tests.realtime.test_consumers import leave

pytestmark = pytest.mark.django_db(transaction=True)
MAY = ["mission_control.view_run"]


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(sessions, "CHECK_SECONDS", 0.2)
    monkeypatch.setattr(stream, "KEEP_ALIVE_SECONDS", 0.5)  # how often a silent stream checks its credentials


@pytest.fixture
def user() -> User:
    return make.user(may=MAY)


@sync_to_async
def by_token(user: User) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", f"Bearer {make.token(user)}".encode())]


@sync_to_async
def by_session(user: User) -> list[tuple[bytes, bytes]]:
    client = Client()
    client.force_login(user)
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    return [(b"cookie", cookie.encode()), (b"origin", b"http://localhost"), (b"host", b"localhost")]


async def opened(path: str, headers) -> WebsocketCommunicator:
    from pocketpaw_site.asgi import application

    client = WebsocketCommunicator(application, path, headers=headers)
    assert (await client.connect(timeout=60))[0]
    assert json.loads(await client.receive_from(timeout=60))["type"] == "connection_info"
    return client


async def code_of(client: WebsocketCommunicator) -> int:
    """Return the code with which the socket is closed, skipping the frames before it."""
    while True:
        message = await client.receive_output(timeout=60)
        if message["type"] == "websocket.close":
            return message["code"]


def revoke(user: User) -> None:
    AccessToken.objects.filter(user=user).delete()


def expire(user: User) -> None:
    AccessToken.objects.filter(user=user).update(expiry=timezone.now() - timedelta(seconds=1))


def deactivate(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def delete(user: User) -> None:
    user.delete()


def forbid(user: User) -> None:
    user.user_permissions.remove(Permission.objects.get(codename="view_run"))


def log_out(user: User) -> None:
    Session.objects.all().delete()


def let_session_expire(user: User) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))


def change_password(user: User) -> None:
    user.set_password("another")
    user.save()


@pytest.mark.parametrize(
    ("path", "by", "happens", "code"),
    [
        ("/ws/mission-control", by_token, revoke, 4401),
        ("/ws/mission-control", by_token, expire, 4401),
        ("/ws/mission-control", by_token, delete, 4401),
        ("/ws/mission-control", by_token, forbid, 4403),
        ("/ws/mission-control", by_session, log_out, 4401),
        ("/ws/mission-control", by_session, let_session_expire, 4401),
        ("/ws/mission-control", by_session, change_password, 4401),
        ("/ws/mission-control", by_session, deactivate, 4401),
        ("/ws", by_token, revoke, 4003),
        ("/ws", by_session, forbid, 4403),
    ],
)
async def test_a_socket_is_closed_when_its_login_no_longer_holds(user, path, by, happens, code):
    headers, other = await by(user), await opened(path, await by_token(await sync_to_async(make.user)()))
    client = await opened(path, headers)
    await sync_to_async(happens)(user)
    assert await code_of(client) == code
    await client.disconnect()

    assert Relay.for_running_loop().subscribers == 1  # the other one continues
    await sync_to_async(make.task)()
    assert json.loads(await other.receive_from(timeout=60))["event_type"] == "mc_activity_created"
    await leave(other)


async def test_a_login_by_message_is_watched_too(user):
    from pocketpaw_site.asgi import application

    client = WebsocketCommunicator(application, "/ws")
    await client.connect(timeout=60)
    await client.send_json_to({"action": "authenticate", "token": await sync_to_async(make.token)(user)})
    assert json.loads(await client.receive_from(timeout=60))["type"] == "connection_info"
    await sync_to_async(revoke)(user)
    assert await code_of(client) == 4003
    await leave(client)


async def test_a_right_that_is_taken_or_given_decides_what_an_open_socket_shows(monkeypatch):
    monkeypatch.setattr(consumers, "CHECK_SECONDS", 0)
    user = await sync_to_async(make.user)(may=[*MAY, "mission_control.view_task"])
    client, task = await opened("/ws/mission-control", await by_token(user)), await sync_to_async(make.task)()

    @sync_to_async
    def retitle(title: str) -> None:
        tasks.change(task, title=title)

    async def shown() -> str:
        return json.loads(await client.receive_from(timeout=60))["data"]["task"]["title"]

    @sync_to_async
    def rights() -> tuple[Any, Permission]:
        return user.user_permissions, Permission.objects.get(
            content_type__app_label="mission_control", codename="view_task"
        )

    granted, view_task = await rights()
    await retitle("Seen")
    while await shown() != "Seen":
        pass
    await sync_to_async(granted.remove)(view_task)
    await retitle("Secret")
    assert await client.receive_nothing(timeout=0.7)
    await sync_to_async(granted.add)(view_task)
    await retitle("Seen again")
    assert await shown() == "Seen again"
    await leave(client)


async def test_what_holds_stays_open_and_nobody_is_watched_when_all_have_gone(user):
    clients = [await opened("/ws/mission-control", await by(user)) for by in (by_token, by_session)]
    await LoginMonitor.for_running_loop().check()
    assert all([await client.receive_nothing() for client in clients])
    for client in clients:
        await leave(client)
    assert (LoginMonitor.for_running_loop()._watched, LoginMonitor.for_running_loop()._checking) == (set(), None)


async def test_an_outage_of_the_database_closes_nothing(user, monkeypatch):
    client = await opened("/ws/mission-control", await by_token(user))
    looked = []

    def away(_logins):
        looked.append(True)
        raise OperationalError("away")

    with monkeypatch.context() as broken:
        broken.setattr(sessions, "ended_logins", away)
        assert await client.receive_nothing(timeout=0.7)
    assert len(looked) >= 2
    await sync_to_async(revoke)(user)
    assert await code_of(client) == 4401
    await leave(client)


async def test_a_stream_ends(user):
    from pocketpaw_site.asgi import application

    run = await sync_to_async(make.run)()
    path = f"/api/mission-control/runs/{run.pk}/stream"
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}
    headers = [*await by_token(user), (b"host", b"localhost")]
    client = ApplicationCommunicator(application, {**scope, "headers": headers, "http_version": "1.1"})
    await client.send_input({"type": "http.request", "body": b"", "more_body": False})
    assert (await client.receive_output(timeout=60))["status"] == 200
    body = b""
    while b"mc_task_started" not in body:
        body += (await client.receive_output(timeout=60))["body"]
    await sync_to_async(revoke)(user)
    while (message := await client.receive_output(timeout=60)).get("more_body"):
        assert b"event:" not in message["body"]
    await client.wait(timeout=60)
    assert LoginMonitor.for_running_loop()._watched == set()
    assert Relay.for_running_loop().subscribers == 0


def test_a_hundred_logins_are_checked_in_three_queries(user):
    held = set()
    for _ in range(20):
        make.token(user)
        Client().force_login(user)
    held |= {ConnectionLogin(user.pk, token=token.digest) for token in AccessToken.objects.all()}
    held |= {ConnectionLogin(user.pk, session=session.session_key) for session in Session.objects.all()}
    gone = {
        ConnectionLogin(user.pk, token="0" * 128),
        ConnectionLogin(user.pk, session="gone"),
        ConnectionLogin(0, token="x"),
        ConnectionLogin(user.pk),
    }
    with CaptureQueriesContext(connection) as queries:
        ended = ended_logins(held | gone)
    assert ended == dict.fromkeys(gone, LoginEnd.LOGIN)
    assert (len(held), len(queries)) == (40, 3)


def test_a_session_that_another_user_took_over_no_longer_holds(user):
    client, other = Client(), make.user()
    client.force_login(user)
    [session] = Session.objects.all()
    stolen = ConnectionLogin(other.pk, session=session.session_key)
    assert ended_logins([stolen]) == {stolen: LoginEnd.LOGIN}
