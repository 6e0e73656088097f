"""The WebSocket by which pages follow a run's output, on the real ASGI application."""

import asyncio
import json
import re
import threading

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth.models import Permission
from django.test import Client

from mission_control.models import Run
from mission_control.realtime import sessions
from mission_control.realtime.relay import Relay
from mission_control.runs.execution import execute
from mission_control.web.run import live_output, transcript
from mission_control.web.run.live_output import LiveOutput
from tests import make
from tests.realtime.test_consumers import leave

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("database")]
SEES = ["mission_control.view_run", "mission_control.view_task"]


@pytest.fixture
def run() -> Run:
    return make.run(by=make.agent(backend_options={"chunks": 300, "chunk_bytes": 50, "delay_seconds": 0.002}))


@pytest.fixture
def user():
    return make.user(may=SEES)


def path_of(run: Run, *, after: int = 0, last: int = 0) -> str:
    return f"/ws/pages/runs/{run.pk}/output?after={after}&last={last}"


@sync_to_async
def headers_of(user) -> list[tuple[bytes, bytes]]:
    client = Client()
    client.force_login(user)
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    return [(b"cookie", cookie.encode()), (b"origin", b"http://localhost"), (b"host", b"localhost")]


class Page:
    """What a page does with the socket: it replaces the entries that may have grown and confirms each stretch."""

    def __init__(self, client: WebsocketCommunicator) -> None:
        self.client = client
        self.entries: dict[int, str] = {}  # by the number of their first event
        self.numbers: list[int] = []  # the last event of each stretch
        self.after = self.last = 0

    async def next(self, *, confirms: bool = True) -> dict:
        message = json.loads(await self.client.receive_from(timeout=60))
        assert message["type"] == "output"
        assert message["first"] <= self.last + 1, "a gap"
        for first in [first for first in self.entries if first >= message["first"]]:
            del self.entries[first]
        self.entries |= {int(first): html for first, html in entries_in(message["html"])}
        self.after, self.last = max(self.entries) - 1, message["last"]
        self.numbers.append(self.last)
        if confirms:
            await self.client.send_to(json.dumps({"shown": message["last"]}))
        return message

    async def until_the_end(self) -> None:
        while not (await self.next())["ended"]:
            pass


def entries_in(html: str) -> list[tuple[str, str]]:
    """Return (first event, markup) of each entry."""
    return [
        (first, f"{start}{rest}".strip())
        for start, first, rest in re.findall(r'(<li [^>]*?data-first="(\d+)"[^>]*>)(.*?</li>)', html, re.DOTALL)
    ]


async def opened(path: str, headers) -> WebsocketCommunicator:
    from pocketpaw_site.asgi import application

    client = WebsocketCommunicator(application, path, headers=headers)
    assert (await client.connect(timeout=60))[0]
    assert json.loads(await client.receive_from(timeout=60))["type"] == "connection_info"
    return client


async def code_of(client: WebsocketCommunicator) -> int:
    while (message := await client.receive_output(timeout=60))["type"] != "websocket.close":
        pass
    return message["code"]


@pytest.fixture
async def worker(run):
    """Execute the run in another thread once the test starts it, as a worker does."""
    thread = threading.Thread(target=execute, args=(run.pk,))
    yield thread
    await asyncio.to_thread(thread.join)


async def test_all_pages_get_the_output_as_the_page_shows_it_and_it_is_rendered_once(
    run, user, worker, monkeypatch
):
    rendered = []
    render = live_output._render

    async def counted(run_id, place):
        rendered.append(place)
        return await render(run_id, place)

    monkeypatch.setattr(live_output, "_render", counted)
    headers = await headers_of(user)
    pages = [Page(await opened(path_of(run), headers)) for _ in range(10)]
    worker.start()
    await asyncio.gather(*(page.until_the_end() for page in pages))
    for page in pages:
        await leave(page.client)

    shown = await sync_to_async(shown_by_page)(user, run)
    assert all(list(page.entries.items()) == shown for page in pages)
    assert len(rendered) < sum(len(page.numbers) for page in pages) / 2
    assert Relay.for_running_loop().subscribers == 0


def shown_by_page(user, run: Run) -> list[tuple[int, str]]:
    client = Client()
    client.force_login(user)
    html = client.get(f"/runs/{run.pk}/output?after=0").content.decode()
    return [(int(first), entry) for first, entry in entries_in(html)]


async def test_what_is_written_while_a_stretch_is_rendered_comes_next(run, user, worker, monkeypatch):
    render = live_output._render

    async def slow(run_id, place):
        stretch = await render(run_id, place)
        if worker.ident is None:
            worker.start()
            await asyncio.to_thread(worker.join)
            last = (await Run.objects.aget(pk=run.pk)).last_seq
            async with asyncio.timeout(60):
                while LiveOutput.of(run_id)._known < last:
                    await asyncio.sleep(0.01)
        return stretch

    monkeypatch.setattr(live_output, "_render", slow)
    page = Page(await opened(path_of(run), await headers_of(user)))
    await page.until_the_end()
    await leave(page.client)
    assert page.numbers[0] == 1
    assert list(page.entries.items()) == await sync_to_async(shown_by_page)(user, run)


async def test_a_page_that_confirms_nothing_gets_one_stretch_and_then_all_that_it_missed(run, user, worker):
    page = Page(await opened(path_of(run), await headers_of(user)))
    await page.next(confirms=False)
    worker.start()
    await asyncio.to_thread(worker.join)
    assert await page.client.receive_nothing(timeout=0.5)

    await page.client.send_to(json.dumps({"shown": page.last}))
    await page.until_the_end()
    await leave(page.client)
    assert list(page.entries.items()) == await sync_to_async(shown_by_page)(user, run)
    assert len(page.numbers) == 2


async def test_a_page_that_comes_back_goes_on_where_it_was(run, user, worker):
    headers = await headers_of(user)
    page = Page(await opened(path_of(run), headers))
    worker.start()
    while page.last < 3:
        await page.next()
    await leave(page.client)
    page.client = await opened(path_of(run, after=page.after, last=page.last), headers)
    await page.until_the_end()
    await leave(page.client)

    assert list(page.entries.items()) == await sync_to_async(shown_by_page)(user, run)
    assert page.numbers == sorted(page.numbers)


def test_the_stretch_with_the_last_event_says_that_the_run_has_ended_even_if_it_ends_meanwhile(run, monkeypatch):
    behind = transcript.behind

    def late(shown, after):
        execute(run.pk)
        return behind(shown, after)

    monkeypatch.setattr(transcript, "behind", late)
    stretch = live_output.live_stretch(str(run.pk), 0)
    assert stretch.last == Run.objects.get(pk=run.pk).last_seq > 1
    assert stretch.has_ended


async def test_a_run_that_ends_while_a_stretch_is_rendered_is_shown_to_its_end(run, user, monkeypatch):
    behind = transcript.behind
    rendered: list[transcript.Stretch] = []

    def early(shown, after):
        stretch = behind(shown, after)
        if not rendered:
            execute(run.pk)  # its events are stored after those of this stretch were read
        rendered.append(stretch)
        return stretch

    monkeypatch.setattr(transcript, "behind", early)
    page = Page(await opened(path_of(run), await headers_of(user)))
    await page.until_the_end()
    await leave(page.client)
    assert list(page.entries.items()) == await sync_to_async(shown_by_page)(user, run)


async def test_a_page_that_is_far_behind_starts_again_at_the_end(run, user, worker, monkeypatch):
    monkeypatch.setattr(live_output, "FAR_BEHIND", 3)
    worker.start()
    await asyncio.to_thread(worker.join)
    page = Page(await opened(path_of(run), await headers_of(user)))
    message = await page.next()
    await leave(page.client)
    assert message["restarts"]
    assert message["ended"]


@pytest.mark.parametrize(
    ("missing", "code"), [("view_run", 4403), ("view_task", 4403), (None, 4401)], ids=["run", "task", "login"]
)
async def test_the_socket_ends_when_what_the_page_needs_is_taken_away(run, user, missing, code, monkeypatch):
    monkeypatch.setattr(sessions, "CHECK_SECONDS", 0.2)
    client = await opened(path_of(run), await headers_of(user))
    await sync_to_async(take_away)(user, missing)
    assert await code_of(client) == code
    await leave(client)
    assert Relay.for_running_loop().subscribers == 0


def take_away(user, permission: str | None) -> None:
    if permission:
        user.user_permissions.remove(*Permission.objects.filter(codename=permission))
    else:
        user.is_active = False
        user.save()


@pytest.mark.parametrize("missing", SEES)
async def test_who_may_not_see_the_page_gets_no_output(run, missing):
    from pocketpaw_site.asgi import application

    other = await sync_to_async(make.user)(may=[name for name in SEES if name != missing])
    client = WebsocketCommunicator(application, path_of(run), headers=await headers_of(other))
    assert (await client.connect(timeout=60))[0]
    assert await code_of(client) == 4403
    await leave(client)


@pytest.mark.parametrize(
    "headers", [[], [(b"cookie", b"x=1"), (b"origin", b"http://evil.example"), (b"host", b"localhost")]]
)
async def test_strangers_and_other_sites_are_refused(run, headers):
    from pocketpaw_site.asgi import application

    client = WebsocketCommunicator(application, path_of(run), headers=headers)
    is_accepted, _ = await client.connect(timeout=60)
    assert not is_accepted or await code_of(client) == 4401
    await client.disconnect()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/ws/pages/runs/not-a-run/output", 4404),
        ("/ws/pages/runs/00000000-0000-0000-0000-000000000000/output", 4404),
        ("/ws/pages/runs/00000000-0000-0000-0000-000000000000/output?after=-1", 4400),
        ("/ws/pages/runs/00000000-0000-0000-0000-000000000000/output?after=1&last=1e9", 4400),
    ],
)
async def test_a_path_without_a_run_or_with_a_wrong_position_is_closed(user, path, code):
    from pocketpaw_site.asgi import application

    client = WebsocketCommunicator(application, path, headers=await headers_of(user))
    assert (await client.connect(timeout=60))[0]
    assert await code_of(client) == code
    await leave(client)


@pytest.mark.parametrize(
    "said", ['{"shown": 2}', '{"shown": true}', '{"shown": "1"}', "{}", json.dumps({"shown": "1" * 500})]
)
async def test_a_client_that_confirms_what_it_did_not_get_is_closed(run, user, said):
    page = Page(await opened(path_of(run), await headers_of(user)))
    assert (await page.next(confirms=False))["last"] == 1
    await page.client.send_to(said)
    assert await code_of(page.client) == 4400
    await leave(page.client)


async def test_a_position_that_no_run_has_reached_disturbs_no_other_page(run, user, worker):
    headers = await headers_of(user)
    odd = await opened(path_of(run, after=2**31 - 1), headers)
    page = Page(await opened(path_of(run), headers))
    worker.start()
    await page.until_the_end()
    await leave(odd)
    await leave(page.client)
    assert list(page.entries.items()) == await sync_to_async(shown_by_page)(user, run)


async def test_the_socket_of_a_run_that_is_deleted_ends(run, user):
    page = Page(await opened(path_of(run), await headers_of(user)))
    await page.next()
    await sync_to_async(run.task.delete)()
    LiveOutput.of(str(run.pk))._on_events(100)
    assert await code_of(page.client) == 4404
    await leave(page.client)


async def test_pages_go_on_after_the_database_was_away(run, user, worker, monkeypatch):
    from django.db import OperationalError

    failures = [OperationalError("away"), ValueError("a mistake of ours")]
    render = live_output._render

    async def failing(run_id, place):
        if failures:
            raise failures.pop()
        return await render(run_id, place)

    monkeypatch.setattr(live_output, "_render", failing)
    monkeypatch.setattr(live_output, "RETRY_SECONDS", 0.01)
    page = Page(await opened(path_of(run), await headers_of(user)))
    worker.start()
    await page.until_the_end()
    await leave(page.client)
    assert not failures
    assert list(page.entries.items()) == await sync_to_async(shown_by_page)(user, run)
