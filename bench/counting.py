"""Counts the work of each hot path in one process: `python -m bench.counting` prints the numbers as JSON.

`hot_paths.py` starts it with an embedded database that has the schema and no data, and compares the numbers.
"""

import asyncio
import gc
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from http.cookies import SimpleCookie
from typing import Any

from bench.counter import Work, counter, difference, least

# isort: split
from pocketpaw_site.asgi import application  # it sets Django up

# isort: split
from django.conf import settings
from django.db.models import Q
from django.test import Client

from agents.models import Agent
from mission_control.jobs import execute_run
from mission_control.models import Run, Task
from mission_control.realtime.frames import RunHeader
from mission_control.realtime.publisher import publish_events
from mission_control.runs import events
from mission_control.runs.async_database import persist
from mission_control.runs.lifecycle import claim, finish, stop
from tests import make
from tests.work import a_task, active

AGENTS, TASKS = 20, 120
WARM_UPS, ROUNDS = 3, 7
SOCKETS = 10
FRAME_SECONDS = 30
CALM_SECONDS = 0.15  # the relay reads the activities a twentieth of a second after the output
API = "/api/mission-control"


# ---------------------------------------------------------------- requests
class Requests:
    """Sends requests to the ASGI application, without a server or a network."""

    def __init__(self, *headers: tuple[bytes, bytes]) -> None:
        self.headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json"), *headers]

    async def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Return the answer, decoded if it is JSON. Raises AssertionError for another status than 200."""
        data = b"" if body is None else json.dumps(body).encode()
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [*self.headers, (b"content-length", b"%d" % len(data))],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8000),
        }
        request = iter([{"type": "http.request", "body": data}])
        answered = asyncio.Event()
        answer: list[Mapping[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if message := next(request, None):
                return message
            await answered.wait()
            return {"type": "http.disconnect"}

        async def send(message: Mapping[str, Any]) -> None:
            answer.append(message)

        await application(scope, receive, send)
        answered.set()
        text = b"".join(message.get("body", b"") for message in answer)
        assert answer[0]["status"] == 200, f"{method} {path}: {answer[0]['status']} {text[:300]!r}"
        return json.loads(text) if text.startswith(b"{") else text


async def in_rounds(step: Callable[[], Awaitable[Any]], undo: Callable[[Any], object] | None = None) -> Work:
    """Count one step; repeat it. `undo` gets the step's answer and is not counted."""
    rounds = []
    for _ in range(WARM_UPS + ROUNDS):
        before = counter.read()
        answer = await step()
        rounds.append(difference(before, counter.read()))
        if undo is not None:
            await asyncio.to_thread(undo, answer)
    return least(rounds[WARM_UPS:])


async def count_requests(api: Requests, page: Requests, task: Task, agent: Agent) -> dict[str, Work]:
    new = {"title": "Report", "description": "With numbers.", "tags": ["report"], "assignee_ids": [str(agent.pk)]}
    tasks = iter(await asyncio.to_thread(lambda: [make.task() for _ in range(WARM_UPS + ROUNDS)]))
    run = {"agent_id": str(agent.pk)}
    return {
        "one task": await in_rounds(lambda: api.send("GET", f"{API}/tasks/{task.pk}")),
        "list of 100 tasks": await in_rounds(lambda: api.send("GET", f"{API}/tasks?limit=100")),
        "list of 20 agents": await in_rounds(lambda: api.send("GET", f"{API}/agents?limit=20")),
        "board": await in_rounds(lambda: page.send("GET", "/")),
        "task created": await in_rounds(lambda: api.send("POST", f"{API}/tasks", new)),
        "run requested": await in_rounds(
            lambda: api.send("POST", f"{API}/tasks/{next(tasks).pk}/run", run), stop_requested
        ),
    }


def stop_requested(answer: dict[str, Any]) -> None:
    stop(Run.objects.get(pk=answer["run_id"]), wait_seconds=0)


# ---------------------------------------------------------------- runs
class Sockets:
    """Several WebSockets of the ASGI application. What they do themselves is little, and always the same."""

    def __init__(self, path: str, token: str) -> None:
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {token}".encode())],
            "subprotocols": [],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8000),
        }
        self._texts: list[str] = []
        self._all_received = asyncio.Event()
        self._closed = asyncio.Event()
        self._tasks = [asyncio.create_task(self._serve(scope)) for _ in range(SOCKETS)]

    async def _serve(self, scope: dict[str, Any]) -> None:
        events = iter([{"type": "websocket.connect"}])

        async def receive() -> dict[str, Any]:
            if event := next(events, None):
                return event
            await self._closed.wait()
            return {"type": "websocket.disconnect", "code": 1000}

        await application(dict(scope), receive, self._send)

    async def _send(self, message: Mapping[str, Any]) -> None:
        if "text" in message:
            self._texts.append(message["text"])
            if len(self._texts) == SOCKETS:
                self._all_received.set()

    async def received(self, part: str) -> None:
        """Wait until each socket has received a frame, which must have this part."""
        async with asyncio.timeout(FRAME_SECONDS):
            await self._all_received.wait()
        assert all(part in text for text in self._texts), self._texts
        self._texts.clear()
        self._all_received.clear()

    async def close(self) -> None:
        self._closed.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def count_first_output(agent: Agent) -> Work:
    """Count from the worker's call for a job to the moment when the run's first output is stored."""
    counter.mark(publish_events)  # is called right after the commit
    rounds = []
    for _ in range(WARM_UPS + ROUNDS):
        run = make.run(by=agent)
        before = counter.read()
        execute_run(str(run.pk))
        rounds.append(difference(before, counter.at_mark))
        assert Run.objects.get(pk=run.pk).status == Run.Status.COMPLETED
    return least(rounds[WARM_UPS:])


async def count_output(token: str, agent: Agent) -> Work:
    """Count from a piece of output that a worker stores to its frame at each of several sockets."""
    run = await asyncio.to_thread(lambda: claimed(make.run(by=agent)))
    sockets = Sockets(f"/ws/mission-control/tasks/{run.task_id}", token)
    await sockets.received("connection_info")
    rounds = []
    for number in range(WARM_UPS + ROUNDS):
        await asyncio.sleep(CALM_SECONDS)
        draft = events.Draft("message", f"[{number}] a piece of output")
        before = counter.read()
        stored = await persist(events.append, run.pk, run.claim_token, [draft], after=run.last_seq + number)
        await publish_events(RunHeader.of(run), stored)
        await sockets.received(draft.content)
        rounds.append(difference(before, counter.read()))
    await sockets.close()
    await asyncio.to_thread(complete, run)
    return least(rounds[WARM_UPS:])


def count_next_run(agent: Agent) -> Work:
    """Count from the end of a run to the claim of the next, whose task depends on the first one's."""
    project = make.project(status="executing")
    chain = [a_task(project, agent)]
    for _ in range(WARM_UPS + ROUNDS):
        chain.append(a_task(project, agent, chain[-1]))
    run, rounds = claimed(active(chain[0])), []
    for task in chain[1:]:
        before = counter.read()
        complete(run)
        run = claimed(active(task))
        rounds.append(difference(before, counter.read()))
    complete(run)
    return least(rounds[WARM_UPS:])


def claimed(run: Run) -> Run:
    found = claim(run.pk, worker="counted")
    assert found is not None, "it is not queued"
    return found


def complete(run: Run) -> None:
    assert finish(run.pk, Run.Status.COMPLETED, guard=Q(claim_token=run.claim_token))


# ---------------------------------------------------------------- all of them
def store_tasks() -> tuple[Task, Agent]:
    """Store agents, and a project with a chain of tasks; return one of each."""
    options = {"chunks": 1, "chunk_bytes": 50}
    agents = [make.agent(name=f"Agent {number}", backend_options=options) for number in range(AGENTS)]
    project = make.project()
    tasks: list[Task] = []
    for number in range(TASKS):
        tasks.append(a_task(project, agents[number % AGENTS], *tasks[-1:], tags=["report"]))
    Task.objects.filter(pk__in=[task.pk for task in tasks[::2]]).update(status=Task.Status.DONE)
    return tasks[1], agents[0]


def count() -> dict[str, Work]:
    """Return the work of each hot path."""
    counter.start()
    user = make.user(username="counted")
    token = make.token(user)
    browser = Client()
    browser.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    cookie = SimpleCookie(browser.cookies).output(header="", sep=";", attrs=[]).strip()
    api, page = Requests((b"authorization", f"Bearer {token}".encode())), Requests((b"cookie", cookie.encode()))
    task, agent = store_tasks()
    gc.disable()  # its finalizers would be counted
    # First: the relay reads all runs of the last seconds, and how many there were would depend on the machine.
    work = {f"output at {SOCKETS} sockets": asyncio.run(count_output(token, agent))}
    work |= asyncio.run(count_requests(api, page, task, agent))
    work["first output"] = count_first_output(agent)
    work["next run of a project"] = count_next_run(agent)
    counter.stop()
    return work


if __name__ == "__main__":
    sys.stdout.write(json.dumps({name: work._asdict() for name, work in count().items()}) + "\n")
    sys.stdout.flush()
    os._exit(0)  # without waiting for the threads of the application
