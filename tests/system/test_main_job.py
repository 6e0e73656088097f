"""The main job from outside: an agent runs a task, live, stopped, replayed; its result is stored."""

import json
import threading
import time
from contextlib import ExitStack

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.product import frames_of
from tests.servers import wait_until

pytestmark = pytest.mark.system


def sse(product, run: str, *, after: int | None = None, until: int | None = None) -> list[dict]:
    """Read a run's stream to its end, or up to a number; return the frames' data with `event` and `id`."""
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": str(after)} if after is not None else {})
    found = []
    with product.client.stream("GET", f"/runs/{run}/stream", headers=headers, timeout=60) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        event: dict = {}
        for line in answer.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                event[name] = value
            elif "data" in event:
                found.append({**json.loads(event["data"]), "event": event["event"], "id": int(event["id"])})
                event = {}
                if until is not None and found[-1]["id"] >= until:
                    break
    return found


def said(frames: list[dict]) -> str:
    return "".join(frame["content"] for frame in frames if frame.get("output_type") == "message")


def numbers(frames: list[dict]) -> list[int]:
    return [frame["seq"] for frame in frames]


def test_a_run_streams_to_socket_and_sse_and_its_result_flows_into_the_next_task(product):
    agent = product.new_rehearser(40, delay=0.02)
    prd = product.post("/documents", title="PRD", content="It must hold.", type="draft")["document"]["id"]
    project = product.post("/projects", title="Launch")["project"]["id"]
    product.call("PATCH", f"/projects/{project}", prd_document_id=prd)
    first = product.new_task(title="First", project_id=project)
    second = product.new_task(title="Second", project_id=project, blocked_by=[first])
    refused = product.post(f"/tasks/{second}/run", 409, agent_id=agent)
    assert refused == {"detail": "Task is blocked by unfinished tasks", "blocked_by": [first]}

    with product.socket() as board, product.socket(f"/ws/mission-control/projects/{project}") as room:
        hello = json.loads(board.recv())
        assert hello["type"] == "connection_info" and hello["content"] == "Connected to Mission Control"
        run = product.run(first, agent)
        assert [task["task_id"] for task in product.get("/tasks/running")["running_tasks"]].count(first) == 1
        streamed = sse(product, run)
        frames = frames_of(board, run)
        # When the end is reported, everything can be read.
        assert product.get(f"/tasks/{first}")["task"]["status"] == "done"
        assert numbers(frames_of(room, run)) == numbers(frames)

    assert numbers(frames) == [frame["id"] for frame in streamed] == list(range(1, len(frames) + 1))
    assert [frames[0]["event"], frames[1]["event"], frames[-1]["event"]] == [
        "mc_task_started",
        "mc_task_output",
        "mc_task_completed",
    ]
    assert len(frames) > 5, "output arrived in one piece: it was not live"
    ended = product.run_of(run)
    assert (
        said(frames)
        == said(streamed)
        == ended["output"]
        == "".join(event["content"] for event in product.events(run) if event["type"] == "message")
    )
    assert ended["output"].count("] ") == 40
    document = product.get(f"/documents/{ended['document_id']}")["document"]
    assert (document["title"], document["content"]) == ("Deliverable: First", ended["output"])

    prompt = product.ended(product.run(second, agent))["prompt"]
    assert ended["output"] in prompt and "It must hold." in prompt


def test_stop_really_ends_the_agent_within_two_seconds_and_keeps_what_it_said(product):
    agent = product.new_rehearser(100_000, delay=0.01)
    task = product.new_task()
    run = product.run(task, agent)
    product.running(run)

    started = time.monotonic()
    assert product.post(f"/tasks/{task}/stop") == {
        "status": "stopped",
        "task_id": task,
        "message": "Task execution stopped",
    }
    assert time.monotonic() - started < 6  # the contract's two seconds, plus time for a busy machine
    ended = product.run_of(run)
    assert (ended["status"], product.get(f"/tasks/{task}")["task"]["status"]) == ("stopped", "blocked")
    assert ended["output"].startswith("[1] ") and ended["document_id"] is None
    assert product.post(f"/tasks/{task}/stop", 404) == {"detail": "Task is not currently running"}


def test_runs_are_parked_until_their_quota_resets_and_then_continue(product):
    script = [{"say": "One "}, {"quota": 1}, {"say": f"two {time.time()}"}]
    agent = product.new_agent(backend_options={"script": script})
    runs = [product.run(product.new_task(), agent) for _ in range(2)]
    ended = [product.ended(run, seconds=90) for run in runs]
    assert [(run["status"], run["attempt"]) for run in ended] == [("completed", 1)] * 2
    for run in runs:
        names = [frame["event"] for frame in sse(product, run) if frame["event"] != "mc_task_output"]
        assert (names[0], names[-1]) == ("mc_task_started", "mc_task_completed")
        assert names[1:-1] == ["mc_run_parked", "mc_run_resumed"] * (len(names) // 2 - 1)
        assert len(names) > 2
        assert said(sse(product, run)).count("One") == 1


@pytest.fixture
def ended_after(product):
    """Wait for the end of the runs that a test leaves, whatever happens in it."""
    runs: list[str] = []
    yield runs
    for run in runs:
        if not product.run_of(run)["finished_at"]:
            product.post(f"/runs/{run}/stop")


def test_sixth_run_is_429_and_a_queued_one_starts_by_itself(product, ended_after):
    wait_until(lambda: product.get("/capacity")["available"] == 5, what="free slots")
    agent = product.new_rehearser(100_000, delay=0.05)
    tasks = [product.new_task() for _ in range(6)]
    runs = ended_after
    for task in tasks[:5]:
        runs.append(product.run(task, agent))
    answer = product.client.post(f"/tasks/{tasks[5]}/run", json={"agent_id": agent})
    assert (answer.status_code, answer.json()) == (429, {"detail": "Maximum concurrent tasks (5) reached"})
    assert int(answer.headers["retry-after"]) > 0
    assert product.run(tasks[0], agent, 409) == {"detail": "Task is already running"}

    waiting = product.post(f"/tasks/{tasks[5]}/run", agent_id=agent, when_full="queue")
    assert waiting["status"] == "waiting"
    capacity = product.get("/capacity")
    assert (capacity["running"] + capacity["queued"], capacity["waiting"], capacity["available"]) == (5, 1, 0)
    product.post(f"/runs/{runs[2]}/stop")
    runs.append(waiting["run_id"])
    product.running(waiting["run_id"])


@pytest.mark.parametrize(
    "path",
    ["/ws/mission-control/runs/{run}?after={after}", "/ws/mission-control/tasks/{task}?run={run}&after={after}"],
)
def test_a_client_that_comes_back_again_and_again_gets_every_number_once(product, path):
    agent = product.new_rehearser(60, delay=0.02)
    task = product.new_task()
    run = product.run(task, agent)
    found: list[dict] = []
    while not found or found[-1]["event"] != "mc_task_completed":
        after = found[-1]["seq"] if found else 0
        with product.socket(path.format(run=run, task=task, after=after)) as socket:
            for _ in range(6):
                frame = json.loads(socket.recv(timeout=60))
                if "seq" in frame.get("data", {}):
                    found.append({**frame["data"], "event": frame["event_type"]})
                    if found[-1]["event"] == "mc_task_completed":
                        break

    assert numbers(found) == list(range(1, len(found) + 1))
    assert said(found) == product.ended(run)["output"]


def test_a_task_socket_goes_on_to_every_newer_run(product):
    agent, task = product.new_rehearser(5), product.new_task()
    runs = []
    for _ in range(3):
        runs.append(product.run(task, agent))
        product.ended(runs[-1])
    with product.socket(f"/ws/mission-control/tasks/{task}?run={runs[0]}&after=2") as socket:
        frames = [frames_of(socket) for _ in runs]
        newest = product.run(task, agent)
        frames.append(frames_of(socket))

    assert [batch[0]["run_id"] for batch in frames] == [*runs, newest]
    assert [batch[0]["seq"] for batch in frames] == [3, 1, 1, 1]


def test_sse_resumes_behind_the_last_event_id(product):
    run = product.run(product.new_task(), product.new_rehearser(60, delay=0.02))
    head = sse(product, run, until=5)
    tail = sse(product, run, after=head[-1]["id"])

    assert [frame["id"] for frame in head + tail] == list(range(1, len(head + tail) + 1))
    assert tail[-1]["event"] == "mc_task_completed"
    assert sse(product, run, after=tail[-1]["id"]) == []


def test_twenty_sockets_with_five_runs_each_get_every_number_once(product):
    wait_until(lambda: product.get("/capacity")["available"] == 5, what="free slots")
    agent = product.new_rehearser(2_000)
    tasks = [product.new_task() for _ in range(5)]
    found: list[list[dict]] = [[] for _ in range(20)]
    stack = ExitStack()
    sockets = [stack.enter_context(product.socket()) for _ in found]

    def read(socket, into: list[dict]) -> None:
        ends = 0
        while ends < len(tasks):
            frame = json.loads(socket.recv(timeout=30))
            if "seq" in frame.get("data", {}) and frame["data"]["task_id"] in tasks:
                into.append(frame["data"])
                ends += frame["event_type"] == "mc_task_completed"

    readers = [threading.Thread(target=read, args=pair) for pair in zip(sockets, found, strict=True)]
    for reader in readers:
        reader.start()
    runs = [product.run(task, agent) for task in tasks]
    for reader in readers:
        reader.join(60)
    stack.close()

    for run in runs:
        whole = list(range(1, product.ended(run)["last_seq"] + 1))
        for frames in found:
            assert [frame["seq"] for frame in frames if frame["run_id"] == run] == whole


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/ws", 4003), ("/ws/", 4003), ("/ws/mission-control", 4401), ("/ws/mission-control/", 4401),
        ("/ws/mission-control/tasks/00000000-0000-0000-0000-000000000000", 4401),
    ],
)  # fmt: skip
def test_a_socket_with_a_wrong_token_is_closed_with_a_code_that_says_so(product, path, code):
    with connect(f"ws://127.0.0.1:{product.port}{path}?token=wrong") as socket, pytest.raises(ConnectionClosed):
        socket.recv(timeout=60)
    assert socket.close_code == code


@pytest.mark.parametrize("path", ["tasks/{}", "projects/{}", "runs/{}", "nothing/{}"])
@pytest.mark.parametrize("key", ["00000000-0000-0000-0000-000000000000", "not-a-uuid"])
def test_a_socket_for_what_does_not_exist_is_closed_with_4404(product, path, key):
    with product.socket("/ws/mission-control/" + path.format(key)) as socket, pytest.raises(ConnectionClosed):
        socket.recv(timeout=60)
    assert socket.close_code == 4404


def test_nonsense_on_a_socket_is_answered_and_never_drops_it(product):
    with product.socket() as socket:
        socket.recv()
        for nonsense in ["", "no json", "[1]", "[" * 5_000, '{"action": "no such"}', b"\x00\xff", "null"]:
            socket.send(nonsense)
            answer = json.loads(socket.recv(timeout=60))
            assert answer["type"] == "error" and answer["message"] == answer["content"] != ""


def test_pocketpaws_page_logs_in_by_message_browses_project_folders_and_is_spared_what_it_does_not_know(product):
    agent = product.new_agent()
    with connect(f"ws://127.0.0.1:{product.port}/ws") as socket:
        socket.send(json.dumps({"action": "authenticate", "token": product.token}))
        assert json.loads(socket.recv(timeout=60))["type"] == "connection_info"
        socket.send(json.dumps({"action": "settings"}))
        socket.send(json.dumps({"action": "browse", "path": "../../etc", "context": "c"}))
        assert json.loads(socket.recv(timeout=60)) == {
            "type": "files", "path": "../../etc", "files": [], "context": "c",
            "error": "Access denied: path outside the project folders",
        }  # fmt: skip
        run = product.run(product.new_task(), agent)
        kinds = {frame.get("output_type") for frame in frames_of(socket, run)} - {None}

    assert kinds == {"message", "tool_use", "tool_result"}
    assert {"thinking"} <= {event["type"] for event in product.events(run)}


def test_a_body_over_the_limit_is_413_whether_it_says_its_length_or_not(product):
    huge = b'{"title": "' + b"x" * (10 * 1024 * 1024) + b'"}'
    headers = {"Authorization": f"Bearer {product.token}", "Content-Type": "application/json"}
    announced = httpx.post(f"{product.api}/tasks", content=huge, headers=headers, timeout=60)
    chunked = httpx.post(
        f"{product.api}/tasks", content=iter([huge[:5000000], huge[5000000:]]), headers=headers, timeout=60
    )

    assert (announced.status_code, chunked.status_code) == (413, 413)
    assert "detail" in announced.json() and "detail" in chunked.json()


def test_logs_carry_the_runs_id_in_web_and_worker(product):
    run = product.run(product.new_task(), product.new_rehearser(2))
    product.ended(run)
    log = product.data_dir / "logs" / "mission_control.log"

    def processes() -> set[str]:
        return {line.split()[3] for line in log.read_text().splitlines() if run in line}

    wait_until(lambda: len(processes()) >= 2, what="web and worker to have logged the run")


def cookie_of(browser: httpx.Client, kind: str) -> tuple[str, str]:
    """Return the cookie of this kind; each installation has its own cookie names."""
    [found] = [(name, value) for name, value in browser.cookies.items() if name.startswith(kind)]
    return found


def test_the_browsers_cookie_counts_only_from_our_own_pages(product):
    with httpx.Client(base_url=product.url) as browser:
        browser.get("/login")
        form = {
            "username": "admin",
            "password": product.password,
            "csrfmiddlewaretoken": cookie_of(browser, "mc_csrf")[1],
        }
        assert browser.post("/login", data=form).status_code == 302
        cookie = "=".join(cookie_of(browser, "mc_session"))
    address = f"ws://127.0.0.1:{product.port}/ws/mission-control"
    with connect(address, additional_headers={"Cookie": cookie}, origin=Origin(product.url)) as socket:
        assert json.loads(socket.recv(timeout=60))["type"] == "connection_info"
    with pytest.raises(InvalidStatus) as refusal:
        connect(address, additional_headers={"Cookie": cookie}, origin=Origin("http://elsewhere.example"))
    assert refusal.value.response.status_code == 403
    with pytest.raises(InvalidStatus):  # another server on this machine
        connect(address, additional_headers={"Cookie": cookie}, origin=Origin("http://127.0.0.1:1"))


def test_every_change_is_told_to_the_board_and_to_its_task_and_project(product):
    project = product.post("/projects", title="Told")["project"]["id"]
    with product.socket() as board, product.socket(f"/ws/mission-control/projects/{project}") as room:
        for socket in (board, room):
            assert json.loads(socket.recv(timeout=60))["type"] == "connection_info"
        task = product.new_task(title="Tell", project_id=project)
        run = product.run(task, product.new_rehearser(2))
        product.ended(run)

        def told(socket) -> list[str]:
            found: list[str] = []
            while "Demo completed “Tell”" not in found:
                frame = json.loads(socket.recv(timeout=60))
                if frame["event_type"] == "mc_activity_created" and frame["data"]["activity"]["task_id"] == task:
                    assert set(frame["data"]) == {"activity", "timestamp"}
                    found.append(frame["data"]["activity"]["message"])
            return found

        assert (
            told(board)
            == told(room)
            == [
                "Task created: Tell",
                "Demo started working on “Tell”",
                "Document created: Deliverable: Tell",
                "Demo completed “Tell”",
            ]
        )


def test_the_board_is_told_how_many_slots_are_taken(product):
    with product.socket() as board:
        run = product.run(product.new_task(), product.new_rehearser(100_000, delay=0.05))
        product.running(run)
        seen: list[dict] = []
        while not any(one["running"] for one in seen):
            frame = json.loads(board.recv(timeout=60))
            if frame.get("event_type") == "mc_capacity":
                seen.append(frame["data"])
        product.post(f"/runs/{run}/stop")

    assert set(seen[-1]) == {"limit", "running", "queued", "waiting", "available", "timestamp"}
