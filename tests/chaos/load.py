"""The load: a client that creates tasks, runs them, lets them wait, stops some and reads them, at random."""

import random
import threading
from typing import Any

import httpx

from tests.chaos.audience import Audience
from tests.chaos.ledger import KINDS, Ledger
from tests.product import Product

PAUSE_SECONDS = (0.01, 0.12)
MAX_ACTIVE, MAX_LONG = 9, 4
USUAL_REFUSALS = {404, 409, 429}


class Client:
    """A client of the API that records the answers. Without an answer nothing is promised."""

    def __init__(self, product: Product, ledger: Ledger, agents: dict[str, str]) -> None:
        self.ledger, self.agents = ledger, agents
        self.http = httpx.Client(
            base_url=product.api, headers={"Authorization": f"Bearer {product.token}"}, timeout=15
        )

    def call(self, method: str, path: str, **body: Any) -> dict[str, Any] | None:
        """Return the body of a success, otherwise None; record answers that should not happen."""
        try:
            answer = self.http.request(method, path, json=body if method != "GET" else None)
        except httpx.TransportError:
            self.ledger.unanswered += 1
            return None
        if answer.status_code == 200:
            return answer.json()
        if answer.status_code not in USUAL_REFUSALS:
            self.ledger.refuses(f"{answer.status_code} to {method} {path}: {answer.text[:200]}")
        return None

    def make_task(self, kind: str, priority: str = "medium") -> str | None:
        title = f"{kind} {random.getrandbits(48):012x}"  # the name only: it is not repeated with the seed
        made = self.call("POST", "/tasks", title=title, priority=priority, assignee_ids=[self.agents[kind]])
        if made is None:
            return None
        self.ledger.creates("task", made["task"]["id"], title)
        return made["task"]["id"]

    def start(self, kind: str, *, when_full: str = "queue", priority: str = "medium") -> str | None:
        """Create a task and run it; return the run if both were acknowledged."""
        task = self.make_task(kind, priority)
        path = f"/tasks/{task}/run"
        begun = task and self.call("POST", path, agent_id=self.agents[kind], when_full=when_full)
        if not begun:
            return None
        self.ledger.starts(begun["run_id"], begun["task_id"], kind)
        return begun["run_id"]

    def stop(self, run: str) -> bool:
        """Stop a run. Return True if it has ended, will end, or had ended before."""
        self.ledger.stop_asked.add(run)
        stopped = self.call("POST", f"/runs/{run}/stop")
        if stopped is not None:
            self.ledger.stopped.add(run)
            return True
        found = self.call("GET", f"/runs/{run}")
        return found is not None and found["run"]["finished_at"] is not None

    def note(self, task: str) -> None:
        """Add a message and a document to a task."""
        content = f"noted {random.getrandbits(48):012x}"
        if made := self.call("POST", f"/tasks/{task}/messages", content=content):
            self.ledger.creates("message", made["message"]["id"], content)
        if made := self.call("POST", "/documents", title=content, content=content, type="draft", task_id=task):
            self.ledger.creates("deliverable", made["document"]["id"], content)

    def look(self, run: str) -> None:
        page = self.call("GET", f"/runs/{run}/events?limit=500")
        if page:
            self.ledger.shows(run, page["events"])
        self.call("GET", "/tasks/running")


class Load(threading.Thread):
    """The work of one client from `start` to `end`, chosen by its own random number generator."""

    def __init__(self, client: Client, audience: Audience, chance: random.Random) -> None:
        super().__init__(name="load", daemon=True)
        self.client, self.audience, self.chance = client, audience, chance
        self.started: dict[str, str] = {}  # run → kind
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.is_set():
            self.act()
            self._done.wait(self.chance.uniform(*PAUSE_SECONDS))

    def act(self) -> None:
        [action] = self.chance.choices([self.begin, self.stop_one, self.note, self.look], weights=[6, 1, 1, 2])
        action()

    def begin(self) -> None:
        capacity = self.client.call("GET", "/capacity")
        if capacity is None:
            return
        [kind] = self.chance.choices(list(KINDS), weights=[kind.chance for kind in KINDS.values()])
        if kind == "long" and list(self.started.values()).count("long") >= MAX_LONG:
            kind = "short"
        full = capacity["running"] + capacity["queued"] + capacity["waiting"] >= MAX_ACTIVE
        when_full = "reject" if full else self.chance.choice(["reject", "queue", "queue"])
        self.launch(kind, when_full=when_full)

    def launch(self, kind: str, *, when_full: str = "queue") -> None:
        """Start a run and let clients watch it."""
        run = self.client.start(kind, when_full=when_full, priority=self.chance.choice(["low", "medium", "high"]))
        if run is not None:
            self.started[run] = kind
            self.audience.watch(run, self.client.ledger.runs[run][0], self.chance)

    def stop_one(self) -> None:
        if self.started:
            self.client.stop(self.chance.choice(list(self.started)))

    def note(self) -> None:
        if self.started:
            self.client.note(self.client.ledger.runs[self.chance.choice(list(self.started))][0])

    def look(self) -> None:
        if self.started:
            self.client.look(self.chance.choice(list(self.started)))

    def end(self) -> None:
        """Let it finish its current request, and wait for that."""
        self._done.set()
        self.join(40)
