"""One round: load, fault, recovery, comparison."""

import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.chaos.database import Sampler, patiently
from tests.chaos.faults import Fault, Harm, Left, Stage, what_runs
from tests.chaos.invariants import INVARIANTS, Evidence, seat_lacks
from tests.chaos.load import Load
from tests.chaos.subject import Subject
from tests.servers import wait_until

SLOTS_BACK_SECONDS = 30  # the promise: from the harm until every slot is free and a new run completes
CAUGHT_UP_SECONDS = 30  # after that: until every client has everything
CLIENTS = 2
CROWDED = 0.4  # this share of the rounds begins with more runs than slots


@dataclass
class Result:
    number: int
    fault: Fault
    ran: str = ""
    runs: int = 0
    recovery_seconds: float | None = None
    seconds: float = 0.0
    left_out: str = ""
    broken: list[str] = field(default_factory=list)


class Round:
    """One round. It starts on a subject that works."""

    def __init__(self, subject: Subject, fault: Fault, *, number: int, seed: str) -> None:
        self.subject, self.fault = subject, fault
        self.chance = random.Random(seed)
        self.result = Result(number, fault)
        self.harm = Harm()
        self.began, self.since = time.monotonic(), datetime.now(UTC)
        self.log_from = subject.product.log.stat().st_size
        self.sampler = Sampler(subject.reader, subject.limit)
        self.loads = [
            Load(subject.new_client(), subject.audience, random.Random(f"{seed}/{client}"))
            for client in range(CLIENTS)
        ]

    def play(self) -> Result:
        self.sampler.start()
        if self.chance.random() < CROWDED:
            for _ in range(self.subject.limit + 3):  # so that some runs wait for a slot
                self.loads[0].launch("steady")
        for load in self.loads:
            load.start()
        try:
            time.sleep(self.chance.uniform(0.8, 2.0))
            self.harm_it()
            time.sleep(self.chance.uniform(0.2, 0.8))
        finally:
            for load in self.loads:
                load.end()
        try:
            self.settle()
        except AssertionError as error:
            self.result.broken.append(str(error))
        self.sampler.end()
        self.compare()
        self.result.seconds = time.monotonic() - self.began
        return self.result

    def harm_it(self) -> None:
        self.result.ran = what_runs(self.subject)
        try:
            self.harm = self.fault.act(Stage(self.subject, self.chance))
        except Left as error:
            self.result.left_out = str(error)
        except AssertionError as error:
            self.result.broken.append(str(error))

    def settle(self) -> None:
        """Wait until all runs have ended, all slots are free, a new run completes, and clients have everything."""
        deadline = max(self.harm.since, time.monotonic() - SLOTS_BACK_SECONDS / 2) + SLOTS_BACK_SECONDS

        def left() -> float:
            return max(deadline - time.monotonic(), 0.1)

        wait_until(self.has_ended, seconds=left(), what="every run to end")
        wait_until(self.has_all_slots, seconds=left(), what="every slot to be free")
        probe = wait_until(lambda: self.subject.client.start("quick"), seconds=left(), what="a new run")
        wait_until(lambda: self.has_completed(probe), seconds=left(), what="a new run to complete")
        self.result.recovery_seconds = time.monotonic() - self.harm.since
        wait_until(self.have_caught_up, seconds=CAUGHT_UP_SECONDS, what="every client to have everything")

    def has_ended(self) -> bool:
        """Tell whether no run is active; stop runs that would take long, and runs that are not in the ledger."""
        active = patiently(self.subject.reader.active)
        for run in active or []:
            kind = self.subject.ledger.runs.get(run["id"], ("", "long"))[1]
            if kind == "long":
                self.subject.client.stop(run["id"])
        time.sleep(0.05)
        return active == []

    def has_all_slots(self) -> bool:
        capacity = self.subject.client.call("GET", "/capacity")
        return capacity is not None and capacity["available"] == capacity["limit"] == self.subject.limit

    def has_completed(self, run: str) -> bool:
        found = self.subject.client.call("GET", f"/runs/{run}")
        assert found is None or found["run"]["status"] not in ("error", "stopped"), (
            f"the new run {run} ended with {found['run']['error']!r}"
        )
        return found is not None and found["run"]["status"] == "completed"

    def have_caught_up(self) -> bool:
        time.sleep(0.05)
        runs = {run["id"]: run for run in self.subject.reader.runs(self.since)}
        audience = self.subject.audience
        return all(watch.is_complete for watch in audience.watches) and not any(
            list(seat_lacks(seat, key, run))
            for seat in audience.seats
            for key, run in runs.items()
            if seat.is_open
        )

    def compare(self) -> None:
        """Check every invariant against what is known now."""
        audience, reader = self.subject.audience, self.subject.reader
        runs = {run["id"]: run for run in reader.runs(self.since)}
        self.result.runs = len(runs)
        evidence = Evidence(
            fault=self.fault,
            harm=self.harm,
            ledger=self.subject.ledger,
            reader=reader,
            sampler=self.sampler,
            since=self.since,
            began=self.began,
            runs=runs,
            events=reader.events(list(runs)),
            watches=audience.watches,
            seats=audience.seats,
            seat_drops=audience.seat_drops,
            strays=self.strays(),
            log=self.log(),
        )
        for invariant in INVARIANTS:
            self.result.broken += invariant(evidence)
        audience.forget()

    def strays(self) -> dict[int, str]:
        """Check twice, because a process that is just starting or ending is not a fault."""
        first = self.subject.family.strays()
        if first:
            time.sleep(1)
        return {pid: command for pid, command in self.subject.family.strays().items() if pid in first}

    def log(self) -> str:
        with self.subject.product.log.open("rb") as log:
            log.seek(self.log_from)
            return log.read().decode(errors="replace")


def fault_of(number: int, faults: list[Fault], seed: str) -> Fault:
    """Return the fault of a round, from shuffled decks of all faults, so that each comes equally often."""
    deck, place = divmod(number - 1, len(faults))
    shuffled = list(faults)
    random.Random(f"{seed}/deck {deck}").shuffle(shuffled)
    return shuffled[place]
