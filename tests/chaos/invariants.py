"""What must hold after each round: one function for each rule, which describes every violation."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.chaos.audience import Drop, Seat, Watch
from tests.chaos.database import Reader, Sampler
from tests.chaos.faults import Fault, Harm
from tests.chaos.ledger import KINDS, Ledger, Shown

LOST, SHUT_DOWN = "worker lost", "Mission Control was shut down"
FULL = re.compile(r"No space left|is full", re.IGNORECASE)
TEXTS = {"task": "title", "message": "content", "deliverable": "title"}


@dataclass
class Evidence:
    """Everything that is known at the end of a round."""

    fault: Fault
    harm: Harm
    ledger: Ledger
    reader: Reader
    sampler: Sampler
    since: datetime
    began: float  # the same time on the monotonic clock
    runs: dict[str, dict[str, Any]]  # the runs that were active in the round
    events: dict[str, list[dict[str, Any]]]
    watches: list[Watch]
    seats: list[Seat]
    seat_drops: list[Drop]
    strays: dict[int, str]
    log: str

    def is_explained(self, run: dict[str, Any]) -> bool:
        """Tell whether the fault killed the run's worker."""
        return run["worker"].rpartition("/")[2] in self.harm.killed


def acknowledged_creates_are_stored(evidence: Evidence) -> Iterable[str]:
    for table, promised in evidence.ledger.created.items():
        stored = evidence.reader.texts(table, TEXTS[table])
        for key, text in promised.items():
            if stored.get(key) != text:
                yield f"{table} {key} was acknowledged with {text!r} and is {stored.get(key, 'not there')!r}"
    runs = evidence.reader.texts("run", "task_id")
    for run, (task, _) in evidence.ledger.runs.items():
        if runs.get(run) != task:
            yield f"run {run} of task {task} was acknowledged and is not there"


def shown_events_are_stored_identically(evidence: Evidence) -> Iterable[str]:
    frames: dict[str, set[Shown]] = {}
    for watch in evidence.watches:
        frames.setdefault(watch.run, set()).update(watch.frames)
    for seat in evidence.seats:
        for run, some in seat.frames.items():
            frames.setdefault(run, set()).update(some)
    for run, events in evidence.events.items():
        stored = {_event(event) for event in events} | {_frame(event) for event in events}
        for strange in (evidence.ledger.shown.get(run, set()) | frames.get(run, set())) - stored:
            yield f"run {run} showed an event {strange.seq} ({strange.type}) that is not stored so"


NAMES = {
    "started": "mc_task_started",
    "parked": "mc_run_parked",
    "resumed": "mc_run_resumed",
    "ended": "mc_task_completed",
}


def _event(event: dict[str, Any]) -> Shown:
    return Shown(event["seq"], event["type"], event["content"], _instant(event["timestamp"]))


def _frame(event: dict[str, Any]) -> Shown:
    metadata = event["metadata"] if isinstance(event["metadata"], dict) else _json(event["metadata"])
    phase = metadata.get("phase")
    name = NAMES.get(phase, "mc_task_output")
    said = {
        "started": "",
        "parked": "",
        "resumed": "",
        "ended": f"{event['content']}: {metadata.get('error')}",
    }.get(phase, event["content"])
    return Shown(event["seq"], name, said, _instant(event["timestamp"]))


def _json(text: str) -> dict[str, Any]:
    import json

    return json.loads(text)


def _instant(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def numbers_have_no_gap(evidence: Evidence) -> Iterable[str]:
    for key, run in evidence.runs.items():
        numbers = [event["seq"] for event in evidence.events[key]]
        if numbers != list(range(1, run["last_seq"] + 1)):
            yield f"run {key} has the numbers {_short(numbers)} and last_seq {run['last_seq']}"


def limit_was_never_exceeded(evidence: Evidence) -> Iterable[str]:
    yield from sorted(set(evidence.sampler.over))
    worked = [run for run in evidence.runs.values() if run["started_at"]]
    for run in worked:
        at = run["started_at"]
        # A slot is handed on in the transaction that ends a run: a run that ended at that time does not count.
        there = sum(r["started_at"] <= at and (r["finished_at"] is None or r["finished_at"] > at) for r in worked)
        if there > evidence.sampler.limit:
            yield f"{there} runs were running when {run['id']} started, the limit is {evidence.sampler.limit}"


def every_run_ended_and_says_why(evidence: Evidence) -> Iterable[str]:
    for key, run in evidence.runs.items():
        kind = KINDS.get(evidence.ledger.runs.get(key, ("", ""))[1])
        if run["finished_at"] is None:
            yield f"run {key} is still {run['status']}"
        elif run["status"] == "error" and not run["error"].strip():
            yield f"run {key} ended in error and does not say why"
        elif run["status"] == "completed" and run["error"]:
            yield f"run {key} completed with the error {run['error']!r}"
        elif run["status"] == "completed" and kind and kind.fail_after is not None:
            yield f"run {key} completed though its agent fails"
        elif run["status"] == "stopped" and key not in evidence.ledger.stop_asked and run["error"] != SHUT_DOWN:
            yield f"run {key} was stopped, nobody asked for it, and it says {run['error']!r}"
        expected = {"completed": {"done"}, "error": {"blocked"}, "stopped": {"blocked", "assigned"}}
        if run["finished_at"] and run["task_status"] not in expected[run["status"]]:
            yield f"run {key} is {run['status']} and its task is {run['task_status']}"


def acknowledged_stops_hold(evidence: Evidence) -> Iterable[str]:
    for key in evidence.ledger.stopped & set(evidence.runs):
        if evidence.runs[key]["status"] != "stopped":
            yield f"run {key}'s stop was answered and it is {evidence.runs[key]['status']}"


def output_is_what_the_agent_said(evidence: Evidence) -> Iterable[str]:
    for key, run in evidence.runs.items():
        said = "".join(event["content"] for event in evidence.events[key] if event["type"] == "message")
        if run["finished_at"] and run["output"] != said:
            yield f"run {key}'s output ({len(run['output'])}) is not what its events say ({len(said)})"
        if key not in evidence.ledger.runs:
            continue
        whole = KINDS[evidence.ledger.runs[key][1]].output()
        if not whole.startswith(said) or (run["status"] == "completed" and said != whole):
            yield f"run {key} ({run['status']}) stored {len(said)} characters, not its agent's {len(whole)}"


def clients_got_everything_once_and_in_order(evidence: Evidence) -> Iterable[str]:
    for watch in evidence.watches:
        run = evidence.runs.get(watch.run)
        numbers = [frame.seq for frame in watch.frames]
        if run and numbers != list(range(1, run["last_seq"] + 1)):
            drops = "; ".join(drop.why for drop in watch.drops[-3:]) or "no connection broke"
            yield f"a {watch.kind} client of run {watch.run} got {_short(numbers)} of {run['last_seq']} ({drops})"
    for seat in evidence.seats:
        for key, run in evidence.runs.items():
            yield from seat_lacks(seat, key, run)


def seat_lacks(seat: Seat, key: str, run: dict[str, Any]) -> Iterable[str]:
    """Describe missing frames: runs that began after the hello are due from 1, others from their next number."""
    numbers = [frame.seq for frame in seat.frames.get(key, [])]
    from_one = run["queued_at"] > seat.said_hello_at
    first = 1 if from_one else (numbers[0] if numbers else run["last_seq"] + 1)
    last = run["last_seq"] if seat.is_open else (numbers[-1] if numbers else first - 1)
    if numbers != list(range(first, last + 1)):
        state = "open" if seat.is_open else "closed"
        yield f"{seat.path} ({state}) got {_short(numbers)} of run {key}, {first} to {last} were due"


def connections_broke_only_where_explained(evidence: Evidence) -> Iterable[str]:
    if "sockets" in evidence.fault.notices:
        return
    for watch in evidence.watches:
        for drop in watch.drops:
            yield f"a {watch.kind} client lost its connection: {drop.why}"
    for drop in evidence.seat_drops:
        yield f"a client of everything lost its connection: {drop.why}"


def no_healthy_run_was_declared_dead(evidence: Evidence) -> Iterable[str]:
    for key, run in evidence.runs.items():
        kind = KINDS.get(evidence.ledger.runs.get(key, ("", ""))[1])
        of_its_own = (
            kind is not None and kind.fail_after is not None and run["error"].startswith("The demo failed")
        )
        lost = run["error"] == LOST and evidence.is_explained(run)
        down = run["error"] == SHUT_DOWN and "shutdown" in evidence.fault.notices
        full = FULL.search(run["error"]) and "space" in evidence.fault.notices
        if run["status"] == "error" and not (of_its_own or lost or down or full):
            worker = run["worker"].rpartition("/")[2]
            yield f"run {key} ended in error, {run['error']!r}, and its worker {worker} was not harmed"


def no_process_is_left_behind(evidence: Evidence) -> Iterable[str]:
    for pid, command in evidence.strays.items():
        yield f"left behind: {command} (pid {pid})"


def answers_were_proper(evidence: Evidence) -> Iterable[str]:
    for at, what in evidence.ledger.answers:
        if at >= evidence.began and not (what.startswith("503") and "answers" in evidence.fault.notices):
            yield f"the API answered {what}"


def log_has_no_unexplained_traceback(evidence: Evidence) -> Iterable[str]:
    last_lines = re.findall(r"Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*(.*)", evidence.log)
    for line, count in Counter(last_lines).items():
        if not any(re.search(pattern, line) for pattern in evidence.fault.tracebacks):
            yield f"{count} × a traceback in the log: {line[:160]}"


def _short(numbers: list[int]) -> str:
    """Describe which numbers are in the list: `1-17, 19-20`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(f"{first}-{last}" for first, last in parts) or "nothing"


INVARIANTS: list[Callable[[Evidence], Iterable[str]]] = [
    acknowledged_creates_are_stored,
    shown_events_are_stored_identically,
    numbers_have_no_gap,
    limit_was_never_exceeded,
    every_run_ended_and_says_why,
    acknowledged_stops_hold,
    output_is_what_the_agent_said,
    clients_got_everything_once_and_in_order,
    connections_broke_only_where_explained,
    no_healthy_run_was_declared_dead,
    no_process_is_left_behind,
    answers_were_proper,
    log_has_no_unexplained_traceback,
]
