"""The resources that a stranger without a login can use up in a web process, tested on the real server."""

import contextlib
import http.client
import inspect
import json
import os
import re
import socket
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
from daphne import server as daphne_server
from daphne.http_protocol import HTTPFactory
from twisted.web.http import HTTPChannel, Request

from pocketpaw_site.web_server import FORWARDED
from tests.product import WebProcess
from tests.servers import wait_until

pytestmark = pytest.mark.system
MEGABYTE = 1024 * 1024
LIMIT = 10 * MEGABYTE
FORM = "application/x-www-form-urlencoded"


@contextlib.contextmanager
def connection_to(product):
    with socket.create_connection(("127.0.0.1", product.port), timeout=30) as connected:
        yield connected


def head(method: str = "POST", path: str = "/", **headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def answer_on(connected: socket.socket) -> tuple[int, dict]:
    """Read an answer and return its status and its JSON."""
    answer = http.client.HTTPResponse(connected)
    answer.begin()
    body = answer.read()
    return answer.status, json.loads(body) if "json" in answer.headers.get("Content-Type", "") else {}


class Watch:
    """Requests /healthz repeatedly, and records the longest time to an answer."""

    def __init__(self, url: str) -> None:
        self.url, self.slowest, self.asked = url, 0.0, 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        with httpx.Client(timeout=120) as client:
            while not self._ended.is_set():
                begun = time.monotonic()
                assert client.get(f"{self.url}/healthz").status_code == 200
                self.slowest = max(self.slowest, time.monotonic() - begun)
                self.asked += 1

    def __enter__(self):
        self._thread.start()
        wait_until(lambda: self.asked > 3, what="the first answers")
        self.slowest = 0.0
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()


def tiny_parts(number: int) -> tuple[str, bytes]:
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    return "multipart/form-data; boundary=x", part * number + b"--x--\r\n"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [tiny_parts(100_000), (FORM, b"a=1&" * 2_400_000)],
    ids=["multipart", "urlencoded"],
)
def test_large_forms_of_strangers_hold_no_other_request_up(product, content_type, body):
    def send() -> None:
        sent.append(httpx.post(product.url, content=body, headers={"Content-Type": content_type}, timeout=120))

    sent: list[httpx.Response] = []
    with Watch(product.url) as watch:
        senders = [threading.Thread(target=send) for _ in range(4)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
    assert [answer.status_code for answer in sent] == [403] * 4  # without a CSRF token
    assert watch.slowest < 3  # on a busy machine


def test_body_is_refused_by_its_declared_length_before_it_is_sent(product):
    with connection_to(product) as stranger:
        stranger.sendall(head(Content_Length="90000000000", Expect="100-continue"))
        status, body = answer_on(stranger)
    assert (status, body) == (413, {"detail": f"The body is larger than {LIMIT} bytes"})


def test_length_of_thousands_of_digits_is_answered(product):
    with connection_to(product) as stranger:
        stranger.sendall(head(Content_Length="9" * 5000))
        assert answer_on(stranger) == (400, {"detail": "The request cannot be read"})


def test_chunked_body_is_refused_while_it_comes(product):
    with connection_to(product) as stranger:
        stranger.sendall(head(Transfer_Encoding="chunked"))
        sent = 0
        chunk = b"%x\r\n%s\r\n" % (MEGABYTE, bytes(MEGABYTE))
        with contextlib.suppress(OSError):
            while sent < 200 * MEGABYTE:
                stranger.sendall(chunk)
                sent += MEGABYTE
        assert sent < 60 * MEGABYTE
    with connection_to(product) as stranger:
        stranger.sendall(head(Transfer_Encoding="chunked") + chunk * 11)
        assert answer_on(stranger)[0] == 413


def spooled_bytes(pid: int) -> int:
    """Return the size of the deleted temporary files that a process has open."""
    total = 0
    for name in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if "(deleted)" in os.readlink(name):
                total += name.stat().st_size
    return total


def test_many_bodies_at_once_are_stored_up_to_a_limit_and_the_others_are_told_to_come_again(product):
    with contextlib.ExitStack() as stack:
        strangers = [stack.enter_context(connection_to(product)) for _ in range(14)]
        for stranger in strangers:  # the last byte of each is missing
            stranger.sendall(head(Content_Length=str(LIMIT)) + bytes(LIMIT - 1))
        refused = wait_until(lambda: [one for one in strangers if has_answer(one)], what="refusals")
        assert {answer_on(one)[0] for one in refused} == {503}
        assert spooled_bytes(product.web_pid()) <= 101 * MEGABYTE
    wait_until(lambda: spooled_bytes(product.web_pid()) < MEGABYTE, what="the bodies to be forgotten")
    assert httpx.post(f"{product.url}/login", content=bytes(LIMIT), timeout=30).status_code == 403


def has_answer(connected: socket.socket) -> bool:
    connected.settimeout(0.01)
    try:
        return connected.recv(1, socket.MSG_PEEK) != b""
    except TimeoutError:
        return False
    finally:
        connected.settimeout(30)


# ---------------------------------------------------------------- the head of a request
def test_too_long_an_address_or_head_is_answered_431(product):
    long = "a" * 17_000
    parts = {f"X-{number}": "a" * 4000 for number in range(5)}
    for request in (head("GET", f"/{long}"), head("GET", X_Long=long), head("GET", **parts)):
        with connection_to(product) as stranger:
            stranger.sendall(request)
            status, body = answer_on(stranger)
        assert (status, "16384 bytes" in body["detail"]) == (431, True)
    with connection_to(product) as stranger:
        stranger.sendall(head("GET", **{f"X-{number}": "1" for number in range(600)}))
        assert answer_on(stranger)[0] == 431


@pytest.mark.parametrize("request_line", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\nHost: a\r\n\r\n"])
def test_what_is_no_http_is_answered_400_in_the_form_of_an_error(product, request_line):
    with connection_to(product) as stranger:
        stranger.sendall(request_line)
        assert answer_on(stranger) == (400, {"detail": "The request cannot be read"})


def test_connection_is_used_again_after_a_request_with_a_body(product):
    with httpx.Client(base_url=product.url, headers=product.client.headers) as client:
        for number in range(3):
            created = client.post(
                "/api/mission-control/tasks", json={"title": f"Kept {number}", "description": "x" * 150_000}
            )
            assert created.status_code == 400  # a description has at most 50,000 characters
        assert client.get("/healthz").status_code == 200


@pytest.mark.exhaustive
def test_half_sent_requests_beyond_the_usual_limit_of_files_keep_nobody_out_and_are_ended(product):
    """Opens 1,150 connections, where the soft limit is 1,024; each sends a byte from time to time."""
    with WebProcess(product, limit_files=(1024, 4096)) as web, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connection_to(web)) for _ in range(1150)]
        for one in slow:
            one.sendall(b"GET / HTTP/1.1\r\nX-a: ")
        begun = time.monotonic()
        assert httpx.get(f"{web.url}/healthz", timeout=60).status_code == 200
        watched = slow[0]
        while not has_answer(watched):
            assert time.monotonic() - begun < 60, "it was never ended"
            watched.sendall(b"a")
            time.sleep(1)
        assert answer_on(watched)[0] == 408
        wait_until(lambda: all(has_answer(one) for one in slow[1:]), what="all to be ended")


# ---------------------------------------------------------------- event streams
@contextlib.contextmanager
def stream_of(web, run: str):
    with httpx.stream("GET", f"{web.api}/runs/{run}/stream", headers=web.login, timeout=30) as stream:
        if stream.status_code == 200:
            lines = stream.iter_lines()  # keep a reference: without its iterator the stream is closed
            next(lines)
        yield stream


def threads_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def test_open_streams_hold_no_thread_and_no_database_connection_and_a_user_has_a_limit_of_them(product):
    task = product.new_task()
    run = product.run(task, product.new_rehearser(100_000, delay=1.0))
    product.running(run)
    with (
        WebProcess(product, DATABASE_POOL_SIZE="2", MISSION_CONTROL_MAX_STREAMS_PER_USER="12") as web,
        contextlib.ExitStack() as stack,
    ):
        stack.enter_context(stream_of(web, run))
        before = threads_of(web.web_pid())
        for _ in range(11):
            assert stack.enter_context(stream_of(web, run)).status_code == 200
        assert httpx.get(f"{web.url}/readyz", timeout=5).status_code == 200
        wait_until(lambda: threads_of(web.web_pid()) <= before, what="the threads of the requests to end")

        with stream_of(web, run) as refused:
            refused.read()
            assert (refused.status_code, refused.headers["Retry-After"]) == (429, "10")
            assert "12 open streams" in refused.json()["detail"]
        stack.pop_all().close()
        wait_until(lambda: is_taken(web, run), what="a place to be free again")
    product.post(f"/tasks/{task}/stop")


def is_taken(web, run: str) -> bool:
    with stream_of(web, run) as stream:
        return stream.status_code == 200


# ---------------------------------------------------------------- health
def readyz(web) -> tuple[int, dict, float]:
    begun = time.monotonic()
    answer = httpx.get(f"{web.url}/readyz", timeout=30)
    return answer.status_code, answer.json(), time.monotonic() - begun


@pytest.mark.exhaustive
def test_readyz_says_within_two_seconds_that_nobody_answers_where_the_database_should_be(product):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts connections and never answers
        port = silent.getsockname()[1]
        with WebProcess(product, DATABASE_URL=f"postgres://u:p@127.0.0.1:{port}/x") as web:
            for _ in range(3):
                status, parts, seconds = readyz(web)
                assert (status, parts["database"]) == (503, "does not answer")
                assert seconds < 5  # on a busy machine
            assert httpx.get(f"{web.url}/healthz", timeout=60).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz/"])
def test_health_is_answered_under_any_host_name(product, path):
    assert httpx.get(f"{product.url}{path}", headers={"Host": "10.42.8.201"}).status_code == 200


@pytest.fixture(scope="module")
def behind_tls(product):
    with WebProcess(product, BEHIND_TLS="yes") as web:
        yield web


def test_wrong_host_is_one_short_line_in_the_log_and_strangers_cannot_fill_it(behind_tls):
    web = behind_tls
    for number in range(60):
        refused = httpx.get(f"{web.url}/{'a' * 2000}", headers={"Host": f"{number}.{'b' * 500}.example"})
        assert refused.status_code == 400
    log = web.log.read_text()
    lines = [line for line in log.splitlines() if "Invalid HTTP_HOST header" in line]
    assert 1 <= len(lines) <= 40  # twenty a minute; the sixty may fall into two minutes
    assert max(map(len, lines)) < 500
    assert "Traceback" not in log


# ---------------------------------------------------------------- behind a proxy
def test_plain_http_is_sent_to_https_where_the_proxy_says_that_it_was_plain(behind_tls):
    web, secure, plain = behind_tls, {"X-Forwarded-Proto": "https"}, {"X-Forwarded-Proto": "http"}
    page = httpx.get(f"{web.url}/login", headers=secure)
    assert page.status_code == 200
    assert page.headers["Strict-Transport-Security"] == "max-age=2592000"

    sent_on = httpx.get(f"{web.url}/login?next=/tasks", headers=plain)
    address = f"https://127.0.0.1:{web.port}/login?next=/tasks"
    assert (sent_on.status_code, sent_on.headers["Location"]) == (302, address)
    refused = httpx.post(f"{web.api}/tasks", headers={**web.login, **plain}, json={"title": "In the clear"})
    assert (refused.status_code, "Use HTTPS" in refused.json()["detail"]) == (403, True)

    assert httpx.get(f"{web.url}/healthz", headers=plain).status_code == 200
    assert httpx.get(f"{web.url}/login").status_code == 200  # without the proxy, or with a misconfigured one
    wait_until(lambda: "X-Forwarded-Proto" in web.log.read_text(), what="the warning")


@pytest.mark.parametrize("name", FORWARDED)
def test_what_a_proxy_says_of_a_client_is_refused_unless_it_is_ascii(behind_tls, name):
    headers = {b"X-Forwarded-For": b"192.0.2.1", name.encode(): b"\xff"}
    refused = httpx.get(f"{behind_tls.url}/login", headers=headers)
    assert (refused.status_code, refused.json()) == (400, {"detail": f"The header {name} is not ASCII text"})
    assert "Traceback" not in behind_tls.said()


@pytest.mark.parametrize("path", [b"/elsewhere", b"/\xff"])
def test_client_cannot_choose_below_which_path_the_product_is(product, path):
    page = httpx.get(f"{product.url}/login", headers={"Daphne-Root-Path": path})
    assert page.status_code == 200
    assert "elsewhere" not in page.text


def test_without_a_proxy_nothing_is_said_of_https(product):
    page = httpx.get(f"{product.url}/login", headers={"X-Forwarded-Proto": "http"})
    assert page.status_code == 200
    assert "Strict-Transport-Security" not in page.headers


@pytest.fixture
def small_disk(tmp_path):
    """Provide a file system of 48 MB for this test."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a file system needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.embedded
def test_full_disk_is_called_that_by_answers_pages_health_and_metrics(product, small_disk):
    folder = small_disk / "data"
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(product.data_dir / "mission_control.sqlite3")) as original:
        original.execute("VACUUM INTO ?", [str(folder / "mission_control.sqlite3")])
    with WebProcess(product, MISSION_CONTROL_DATA_DIR=str(folder)) as web:
        assert readyz(web)[1]["disk"] == "ok"
        metrics = httpx.get(f"{web.url}/metrics", headers=web.login).text
        [free] = re.findall(r"^mission_control_disk_free_bytes (.+)$", metrics, re.MULTILINE)
        assert 16 * MEGABYTE < float(free) < 48 * MEGABYTE
        with contextlib.suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
            while filler.write(bytes(MEGABYTE)):
                pass

        # The database may have free pages: it is full when it cannot grow.
        texts = ({"title": "Kept", "content": "x" * 2_000_000} for _ in range(10))
        refused = next(
            answer
            for text in texts
            if (answer := httpx.post(f"{web.api}/documents", headers=web.login, json=text, timeout=30)).is_error
        )
        assert (refused.status_code, refused.json()) == (503, {"detail": "The disk is full."})
        status, parts, _ = readyz(web)
        assert (status, parts["disk"]) == (503, "full")
        assert parts["database"] in ("ok", "the disk is full")  # if no process has it open, opening it needs space
        with httpx.Client(base_url=web.url, headers={"Accept": "text/html"}) as visitor:
            form = visitor.get("/login").text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
            login = {"csrfmiddlewaretoken": form, "username": "admin", "password": product.password}
            page = visitor.post("/login", data=login)
        assert (page.status_code, "<h1>The disk is full</h1>" in page.text) == (503, True)
        assert "the disk is full" in web.said() and "Traceback" not in web.said()


# ---------------------------------------------------------------- private interfaces
def test_private_interfaces_of_daphne_and_twisted_are_those_that_web_server_py_uses():
    """Written for Daphne 4.2 and Twisted 26.10. When an upgrade breaks it, see `pocketpaw_site/web_server.py`."""
    channel = HTTPChannel()
    for name in ("_receivedHeaderSize", "_receivedHeaderCount", "_respondToBadRequestAndDisconnect", "line_mode"):
        assert hasattr(channel, name), f"Twisted's HTTPChannel has no {name} any more"
    assert "_networkProducer" in inspect.getsource(HTTPChannel.connectionMade)
    assert "parsePOSTFormSubmission" in inspect.signature(Request.__init__).parameters
    assert "HTTPFactory(self)" in inspect.getsource(daphne_server.Server.run)
    assert "requestFactory" in inspect.getsource(HTTPFactory.buildProtocol)
