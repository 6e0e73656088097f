"""Model servers are found at the usual ports with their models, and nothing that answers there can do harm."""

import asyncio
import json
import socketserver
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest

from agents.discovery.findings import State
from agents.discovery.model_servers import find_servers
from tests.servers import free_port

OLLAMA = [{"id": name, "owned_by": "library"} for name in ("nomic-embed-text:latest", "llama3.2:3b", "qwen3:8b")]


@contextmanager
def server(answer: Callable):
    """Serve one kind of answer: a function that gets the request and the connection's file."""
    requests: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            requests.append(self.request.recv(65_536).decode())
            with suppress(OSError):
                answer(self.wfile)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield SimpleNamespace(address=f"127.0.0.1:{running.server_address[1]}", requests=requests)
        running.shutdown()


def http(body: bytes, *, status: str = "200 OK", headers: str = "") -> Callable:
    head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{headers}\r\n"
    return lambda file: file.write(head.encode() + body)


def models(*entries) -> Callable:
    return http(json.dumps({"object": "list", "data": entries}).encode())


def found(*addresses: str):
    return asyncio.run(find_servers(addresses))


# ---------------------------------------------------------------- what is found
def test_a_server_is_found_with_its_models_and_suggests_one_that_can_talk(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a-secret-key")
    with server(models(*OLLAMA)) as ollama:
        [one] = found(ollama.address)
    assert (one.title, one.state, one.detail) == ("Ollama", State.READY, "3 models")
    assert one.options == {"model": "llama3.2:3b", "base_url": f"http://{ollama.address}/v1"}
    assert one.options_for("qwen3:8b")["model"] == "qwen3:8b"
    assert "authorization" not in ollama.requests[0].lower() and "a-secret-key" not in ollama.requests[0]


def test_a_server_says_itself_what_it_is():
    with server(models({"id": "m", "owned_by": "vllm"})) as vllm, server(models({"id": "m"})) as other:
        assert [one.title for one in found(vllm.address, other.address)] == ["vLLM", "Model server"]


def test_a_server_without_models_says_so():
    with server(http(b'{"object": "list", "data": null}')) as empty:
        [one] = found(empty.address)
    assert (one.state, one.detail, one.is_usable) == (State.EMPTY, "0 models", False)


def test_nothing_is_found_where_nothing_listens():
    assert found(f"127.0.0.1:{free_port()}") == []


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch):
    with server(models({"id": "from the proxy"})) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.address}")
        assert found(f"127.0.0.1:{free_port()}") == []


# ---------------------------------------------------------------- hostile servers
def endless(file) -> None:
    file.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        file.write(b"[" * 65_536)


def slow(file) -> None:
    for byte in b"HTTP/1.1 200 OK\r\n\r\n" + b"{" * 600:
        file.write(bytes([byte]))
        file.flush()
        time.sleep(0.05)


HOSTILE = {
    "endless": endless,
    "slow": slow,
    "silent": lambda _: time.sleep(30),
    "huge header": lambda file: file.write(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 10_000_000),
    "garbage": lambda file: file.write(bytes(range(256)) * 100),
    "deep": http(b"[" * 200_000),
    "error": http(b"{}", status="500 Oops"),
    "web page": http(b"<html></html>"),
    "other object": http(b'{"data": {"id": "m"}}'),
    "other list": http(b'{"data": [1, 2, 3]}'),
    "length": lambda file: file.write(b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n{}"),
    "zip bomb": http(b"\x1f\x8b\x08" + b"\0" * 100, headers="content-encoding: gzip\r\n"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_is_not_found_and_costs_two_seconds_at_most(kind):
    with server(HOSTILE[kind]) as hostile:
        began = time.monotonic()
        assert found(hostile.address) == []
        assert time.monotonic() - began < 10  # 2 s, and room for a busy machine


def test_a_redirect_is_not_followed():
    with server(models({"id": "m"})) as other:
        headers = f"location: http://{other.address}/v1/models\r\n"
        with server(http(b"", status="302 Found", headers=headers)) as redirecting:
            assert found(redirecting.address) == []
        assert other.requests == []


def test_names_that_are_no_names_of_models_are_left_out():
    key = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz"
    names = ["good", "", " ", "two words", "a\0b", "x" * 201, 7, None, "\ud800", key, "good"]
    with server(models(*({"id": name} for name in names))) as odd:
        [one] = found(odd.address)
    assert one.models == ("good",)


def test_of_ten_thousand_models_a_hundred_are_kept():
    with server(models(*({"id": f"m{number}"} for number in range(10_000)))) as large:
        [one] = found(large.address)
    assert len(one.models) == 100
