"""Run schemathesis against the running product, with our own OpenAPI schema and all its checks and phases.

    python -m tests.fuzz --requests 10000 --seed 7

Prints the seed and each failure with the request that repeats it; exits with 1 if there is a failure. First each
value in the schema is tried once (about three thousand requests); the rest of the requests are random ones and
chains of requests that use each other's answers.
"""

import argparse
import os
import random
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.engine import Status, events, from_schema
from schemathesis.openapi.checks import RejectedPositiveData

from tests.product import Product

ENUMERATED = 5_000  # this many requests leave room for trying every value
EXAMPLES_SHARE = 500  # requests for each round of one example per operation: several rounds, all kinds
OF_EACH = 15  # objects that exist from the start
# What one request is does not depend on the answers to others, so that a seed repeats all requests but the chains.
INDEPENDENT = {"extra-data-sources": {"responses": False}}
UNKNOWN = 8  # one id in this many stays as it is, of nothing that exists

# Runs started by the fuzzer end after a second at the latest: no stream lasts, no slot stays occupied.
HARMLESS = {
    "MISSION_CONTROL_RUN_TIMEOUT_SECONDS": "1",
    "MISSION_CONTROL_PLANNER_BACKEND": "demo",
    "LOG_LEVEL": "WARNING",
}

PEOPLE = ["agent_id", "assignee_ids", "author_id", "creator_id", "editor_id", "team_agent_ids"]
REFERENCES = {
    **dict.fromkeys(PEOPLE, "agents"),
    **dict.fromkeys(["task_id", "parent_task_id", "blocked_by"], "tasks"),
    "project_id": "projects",
    "run_id": "runs",
    "prd_document_id": "documents",
}

# What a schema cannot express, because it depends on stored data or on another field: 400 is a right answer.
BEYOND_SCHEMA = re.compile(
    r"There is no \w+ with th(is|e) id|Must be null, human, or the id of an agent"
    r"|Unknown option|The options? |Unknown program|Agents of `\w+` can(not choose a| choose these) model"
    r"|The task belongs to another project|Task does not belong to this project"
    r"|depend on(ly on)? |circular dependency|cannot be its own parent|Agents do not run tasks of type"
    r"|Give exactly one of|This question (is answered with|has no choices)|Choice must be one of"
    r"|Only a decision has a reason|Only runs of tasks take messages|The file is not attached to this task"
    r"|cannot ask for approval, so it cannot keep|With several files, the path must be a folder"
    r"|The path is too long, or has characters that no file name should have"
    r"|Project status is not |before starting the project|and cannot be skipped|one that expires later than itself"
)


@dataclass
class Outcome:
    requests: int = 0
    failures: dict[str, str] = field(default_factory=dict)  # what failed where → how to repeat it

    def add(self, recorder: Any) -> None:
        self.requests += len(recorder.interactions)
        for case, checks in recorder.checks.items():
            for check in checks:
                if check.status == Status.FAILURE and check.failure_info:
                    failure, sample = check.failure_info.failure, check.failure_info.code_sample
                    response = recorder.interactions[failure.case_id or case].response
                    said = f"{response.status_code} {response.text[:500]}" if response else "no answer"
                    self.failures.setdefault(
                        f"{failure.operation}: {failure.title}", f"{failure.message}\n{sample}\n{said}"
                    )


def fuzz(product: Product, *, requests: int, seed: int, seconds: int) -> Outcome:
    """Send that many requests, or as many as the time allows, and return the result."""
    schema = schemathesis.openapi.from_url(
        f"{product.url}/api/schema",
        config=SchemathesisConfig.from_dict(_config(product, requests, seed, seconds)),
        headers={"Authorization": f"Bearer {product.token}"},
    )
    _use_what_exists(schema, _objects(product))
    with _login_kept(product.get("/tokens")["tokens"][0]["id"]):
        outcome = _follow(from_schema(schema).execute(), requests)
    product.get("/capacity")  # a client that was logged out has tested nothing
    return outcome


def _follow(stream: Any, requests: int) -> Outcome:
    """Process schemathesis' events until that many requests were sent."""
    outcome = Outcome()
    for event in stream:
        if isinstance(event, events.ScenarioFinished):
            outcome.add(event.recorder)
        elif isinstance(event, events.NonFatalError) and not isinstance(event.value, RecursionError | SystemError):
            # These two are the fuzzer's own: Python cannot compile its code for a body that is nested too deeply.
            outcome.failures.setdefault(f"{event.label}: {event.info.title}", str(event.info))
        if outcome.requests >= requests:
            stream.stop()
    return outcome


def _config(product: Product, requests: int, seed: int, seconds: int) -> dict[str, Any]:
    return {
        "seed": seed,
        "max-time": seconds,
        "workers": 1,  # a seed then repeats the requests; and Python 3.11's `ast` is not thread-safe (gh-106905)
        "headers": {"Authorization": f"Bearer {product.token}"},
        "request-timeout": 20,
        "continue-on-failure": True,
        "output": {"sanitization": {"enabled": False}},
        "generation": {"max-examples": max(2, requests // EXAMPLES_SHARE), "no-shrink": True, "database": "none"},
        "phases": {
            "examples": INDEPENDENT,
            "coverage": INDEPENDENT | {"enabled": requests >= ENUMERATED},
            "fuzzing": INDEPENDENT | {"error-feedback": {"enabled": False}},
        },
    }


def _objects(product: Product) -> dict[str, list[str]]:
    """Create some objects of each kind for the requests, and return their ids by the name in the path."""
    agents = [product.new_rehearser(3) for _ in range(OF_EACH)]
    tasks = [product.new_task() for _ in range(OF_EACH)]
    projects = [product.post("/projects", title="A project")["project"]["id"] for _ in range(OF_EACH)]
    documents = [product.post("/documents", title="A document")["document"]["id"] for _ in range(OF_EACH)]
    runs = [product.run(task, agent, when_full="queue") for task, agent in zip(tasks, agents[:10], strict=False)]
    return {
        "agents": agents,
        "tasks": tasks,
        "projects": projects,
        "documents": documents,
        "deliverables": documents,
        "runs": runs,
    }


def _use_what_exists(schema: Any, objects: dict[str, list[str]]) -> None:
    """Replace most generated ids with existing ones, and ignore failures that are right answers."""

    @schema.hook
    def map_body(context, body):
        if not isinstance(body, dict):
            return body
        return {name: _existing(objects.get(REFERENCES.get(name)), value) for name, value in body.items()}

    @schema.hook
    def map_path_parameters(context, path_parameters):
        _, kind, *rest = context.operation.path.removeprefix("/api/").split("/")
        if not rest or context.operation.method == "delete" or not path_parameters:
            return path_parameters
        return {**path_parameters, "id": _existing(objects.get(kind), path_parameters.get("id"))}

    @schema.hook
    def filter_failure(context, failure: Failure, case, response) -> bool:
        if response.status_code == 502:  # a goal whose analysis was not finished within that second
            return case.operation.path != "/api/deep-work/parse-goal"
        if isinstance(failure, AcceptedNegativeData):
            return not _sent_nothing_wrong(case, response)
        if not (isinstance(failure, RejectedPositiveData) and response.status_code == 400):
            return True
        body = response.json()
        detail = body.pop("detail")
        said = [message for messages in body.values() for message in messages] or [detail]
        return not all(BEYOND_SCHEMA.search(message) for message in said)


def _sent_nothing_wrong(case: Any, response: Any) -> bool:
    """Tell whether only the query should be wrong, but it has only names that are not declared.

    Such names are ignored, which schemathesis knows; but it counts a declared one with null, so not sent, as bad.
    """
    wrong = [location for location, part in case.meta.components.items() if part.mode.is_negative]
    sent = parse_qs(urlsplit(response.request.url).query, keep_blank_values=True)
    return wrong == [ParameterLocation.QUERY] and not any(case.operation.query.get(name) for name in sent)


@contextmanager
def _login_kept(token: str) -> Iterator[None]:
    """Keep requests from revoking the token that all of them use."""

    def before_call(context, case, kwargs):
        if case.method.upper() == "DELETE" and case.path_parameters.get("id") == token:
            case.path_parameters["id"] = str(UUID(int=0))

    schemathesis.hook(before_call)
    try:
        yield
    finally:
        schemathesis.hooks.unregister(before_call)


def _existing(ids: list[str] | None, given: Any) -> Any:
    """Return an existing id for a generated one, always the same for the same."""
    if isinstance(given, list):
        return [_existing(ids, item) for item in given]
    try:
        number = UUID(given).int
    except (ValueError, TypeError, AttributeError):
        return given
    return ids[number % len(ids)] if ids and number % UNKNOWN else given


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--seconds", type=int, default=600, help="give up after so long")
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="mission-control-fuzz-") as folder:
        data_dir = Path(folder) / "data"
        data_dir.mkdir()
        product = Product(data_dir, **HARMLESS)
        try:
            outcome = fuzz(product.start(), requests=asked.requests, seed=asked.seed, seconds=asked.seconds)
        finally:
            product.stop()
    for what, how in outcome.failures.items():
        print(f"\n{what}\n{how}")
    print(f"\n{outcome.requests} requests, {len(outcome.failures)} failures, seed {asked.seed}")
    return int(bool(outcome.failures) or outcome.requests < asked.requests)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order in sets decides about requests too
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.fuzz", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    sys.exit(main())
