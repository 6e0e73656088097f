"""The WebSocket clients, in a process of their own: `python -m bench.readers`, controlled by `audience.py`.

Its input is one line of JSON with the address and the number of sockets. It prints a line when all are connected,
one when the last socket has the last frame of a run, and, when its input ends, one with what each socket received.
It only stores frames as they arrive, and parses them at the end, when nothing is timed any more.
"""

import asyncio
import hashlib
import json
import re
import socket
import sys
import time
from collections import Counter, defaultdict
from itertools import pairwise

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

COMPLETED = '"event_type": "mc_task_completed"'
HEAD_CHARS = 80  # the start of a frame, which contains its type
NUMBER = re.compile(r"^\[(\d+)\] ", re.MULTILINE)
CONNECTING_AT_ONCE = 10
STALLED_BUFFER_BYTES = 4096


class Reader:
    """One socket, and the frames that it received."""

    def __init__(self) -> None:
        self.got: list[tuple[float, str]] = []

    async def follow(self, endpoint: "Endpoint", crowd: "Crowd") -> None:
        async with endpoint.places:
            connection = await connect(
                endpoint.url,
                additional_headers=endpoint.headers,
                compression=None,
                max_size=None,
                max_queue=None,
                ping_interval=None,
            )
        async with connection:
            await connection.recv()  # the greeting: later runs are received completely
            crowd.has_come()
            async for received in connection:
                frame = str(received)  # it is already text
                self.got.append((time.monotonic(), crowd.shared.setdefault(frame, frame)))
                if COMPLETED in frame[:HEAD_CHARS]:
                    crowd.has_finished(json.loads(frame)["data"]["run_id"])
        raise ConnectionError("the server closed a socket")


class Endpoint:
    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.headers = {"Authorization": f"Bearer {token}"}
        self.places = asyncio.Semaphore(CONNECTING_AT_ONCE)


class Crowd:
    """All sockets; counts those that are connected, and those that have received all of a run."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.come = 0
        self.finished: Counter[str] = Counter()
        self.shared: dict[str, str] = {}  # a frame that all sockets receive is stored once
        self.readers = [Reader() for _ in range(size)]

    def has_come(self) -> None:
        self.come += 1
        if self.come == self.size:
            say(ready=True)

    def has_finished(self, run: str) -> None:
        self.finished[run] += 1
        if self.finished[run] == self.size:
            say(ended=run)

    def report(self) -> dict[str, list[dict]]:
        """Return run → what each socket received of it, in the order of the sockets."""
        report: dict[str, list[dict]] = defaultdict(list)
        known: dict[tuple, dict] = {}
        parsed = {frame: json.loads(frame) for frame in self.shared}
        for reader in self.readers:
            for run, arrivals in by_run(reader.got, parsed).items():
                key = tuple(id(frame) for _, frame in arrivals)
                if key not in known:
                    known[key] = examine([parsed[frame] for _, frame in arrivals])
                report[run].append(known[key] | times(arrivals, parsed))
        return report


def by_run(got: list[tuple[float, str]], parsed: dict[str, dict]) -> dict[str, list[tuple[float, str]]]:
    runs = defaultdict(list)
    for at, frame in got:
        data = parsed[frame].get("data", {})
        if "seq" in data:
            runs[data["run_id"]].append((at, frame))
    return runs


def is_output(frame: dict) -> bool:
    return frame["event_type"] == "mc_task_output" and frame["data"]["output_type"] == "message"


def times(arrivals: list[tuple[float, str]], parsed: dict[str, dict]) -> dict[str, float]:
    outputs = [at for at, frame in arrivals if is_output(parsed[frame])]
    return {"first_output_at": outputs[0], "last_output_at": outputs[-1]} if outputs else {}


def examine(frames: list[dict]) -> dict:
    """Count a run's chunks by their marks `[n] `, and the gaps in its frames by their numbers."""
    text = "".join(frame["data"]["content"] for frame in frames if is_output(frame))
    numbers = [int(number) for number in NUMBER.findall(text)]
    seqs = [frame["data"]["seq"] for frame in frames]
    return {
        "chunks": len(numbers),
        "distinct": len(set(numbers)),
        "disordered": sum(later <= earlier for earlier, later in pairwise(numbers)),
        "gaps": sum(seq != place for place, seq in enumerate(seqs, start=1)),
        "digest": hashlib.sha256(text.encode()).hexdigest(),
    }


async def stall(host: str, port: int, path: str, token: str) -> socket.socket:
    """Open a WebSocket that never reads a frame; its small buffer fills up at once."""
    loop = asyncio.get_running_loop()
    silent = socket.socket()
    silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_BUFFER_BYTES)
    silent.setblocking(False)
    await loop.sock_connect(silent, (host, port))
    handshake = (
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    )
    await loop.sock_sendall(silent, handshake.encode())
    head = b""
    while b"connection_info" not in head:  # after the greeting it is subscribed
        piece = await loop.sock_recv(silent, 1024)
        if not piece:
            raise ConnectionError(f"no WebSocket: {head[:200]!r}")
        head += piece
    return silent


def say(**line: object) -> None:
    """Print a line of JSON, with the CPU time that this process has used so far."""
    sys.stdout.write(json.dumps({**line, "cpu_seconds": time.process_time()}) + "\n")
    sys.stdout.flush()


async def end_of_input() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        pass


async def main(told: dict) -> None:
    host, port, path = told["host"], told["port"], told["path"]
    endpoint = Endpoint(f"ws://{host}:{port}{path}", told["token"])
    stalled = [await stall(host, port, path, told["token"]) for _ in range(told["stalled"])]
    crowd = Crowd(told["sockets"])
    following = [asyncio.create_task(reader.follow(endpoint, crowd)) for reader in crowd.readers]
    input_ends = asyncio.create_task(end_of_input())
    try:
        async with asyncio.timeout(told["deadline_seconds"]):
            done, _ = await asyncio.wait([input_ends, *following], return_when=asyncio.FIRST_COMPLETED)
        for broken in done - {input_ends}:
            broken.result()
    except (OSError, WebSocketException, TimeoutError) as error:
        say(error=f"{type(error).__name__}: {error}")
        return
    for task in following:
        task.cancel()
    say(report=crowd.report())
    for silent in stalled:
        silent.close()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.stdin.readline())))
