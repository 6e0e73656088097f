"""`python -m bench`: start the product, measure it in rounds, print the report."""

import argparse
import http.client
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest

from bench.fanout import fanout, stalled
from bench.figures import Samples
from bench.idle import idle, memory
from bench.installation import Installation, MeasuredProduct, installations
from bench.machine import describe
from bench.pages import pages
from bench.projects import projects
from bench.report import Report
from bench.requests import limit, requests
from bench.running import running, used, warm_up
from bench.scale import QUICK, Scale

Measurement = Callable[[MeasuredProduct, Scale], Iterator[tuple[str, float]]]

PROFILES = ["embedded", "server"]
SIZES, QUICK_SIZES = [100, 100_000], [100, 1_000]
REPEATS, QUICK_REPEATS = 3, 1
FAILURES = (
    AssertionError,
    OSError,
    http.client.HTTPException,
    httpx.HTTPError,
    subprocess.SubprocessError,
)


def ready(product: MeasuredProduct, _: Scale) -> Iterator[tuple[str, float]]:
    yield "ready", product.ready_seconds


# In this order: memory is measured before the heavier loads.
MEASUREMENTS: dict[str, Measurement] = {
    function.__name__: function
    for function in (ready, idle, memory, running, projects, requests, limit, fanout, stalled, pages)
}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the whole product.")
    parser.add_argument("--profile", choices=[*PROFILES, "both"], default="both")
    parser.add_argument("--sizes", type=numbers, help="tasks stored (100,100000)")
    parser.add_argument("--events", type=int, default=0, help="run events and activities stored, at least so many")
    parser.add_argument("--repeats", type=int, help=f"rounds ({REPEATS})")
    parser.add_argument("--only", type=names, default=list(MEASUREMENTS), help=f"of {','.join(MEASUREMENTS)}")
    parser.add_argument("--quick", action="store_true", help="little of everything, to try it")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write all values as JSON")
    given = parser.parse_args()
    given.sizes = sorted(set(given.sizes or (QUICK_SIZES if given.quick else SIZES)))
    given.repeats = given.repeats or (QUICK_REPEATS if given.quick else REPEATS)
    return given


def numbers(text: str) -> list[int]:
    found = [int(part) for part in text.split(",")]
    if min(found) < 1:
        raise argparse.ArgumentTypeError("sizes are 1 and more")
    return found


def names(text: str) -> list[str]:
    wanted = text.split(",")
    if unknown := set(wanted) - set(MEASUREMENTS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return [name for name in MEASUREMENTS if name in wanted]


class Bench:
    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.scale = QUICK if given.quick else Scale()
        self.profiles = PROFILES if given.profile == "both" else [given.profile]
        results = {(profile, size): Samples() for profile in self.profiles for size in given.sizes}
        machine = describe(Path(tempfile.gettempdir()))
        if given.quick:
            machine["quick"] = "smaller loads than the targets are for, and few values: only to try it"
        self.report = Report(machine, self.profiles, given.sizes, results)

    def measure(self) -> None:
        with installations(self.profiles, self.given.sizes) as installed:
            for installation in installed:
                say(f"{installation}: storing the tasks")
                installation.fill(self.given.events)
            for number in range(1, self.given.repeats + 1):  # in turns, so a disturbance affects all
                for installation in installed:
                    self.measure_round(installation, number)

    def measure_round(self, installation: Installation, number: int) -> None:
        samples = self.report.results[installation.profile, installation.size]
        try:
            with installation.running() as product:
                if self.given.only != ["ready"]:
                    warm_up(product, self.scale)
                for name in self.given.only:
                    say(f"{installation}: round {number}, {name}")
                    self.measure_one(installation, number, name, product, samples)
                self.report.used[str(installation)] = used(product)  # data is kept: the last covers all rounds
        except FAILURES as error:
            self.fail(installation, number, "the product", error)

    def measure_one(
        self, installation: Installation, number: int, name: str, product: MeasuredProduct, samples: Samples
    ) -> None:
        """Run one measurement; if it fails, add the failure to the report and go on with the next."""
        try:
            samples.add_round(list(MEASUREMENTS[name](product, self.scale)))
        except FAILURES as error:
            self.fail(installation, number, name, error)

    def fail(self, installation: Installation, number: int, what: str, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:500]
        self.report.failures.append(f"{installation}, round {number}, {what}: {reason}")
        say(self.report.failures[-1])

    def tell(self) -> None:
        """Print the report and write the values as JSON, also after an early end."""
        if not self.report.rounds and not self.report.failures:
            return
        if self.given.output:
            self.given.output.write_text(json.dumps(self.raw(), indent=1) + "\n")
        sys.stdout.write(self.report.text())

    def raw(self) -> dict:
        values = [
            {"profile": profile, "tasks": size, "rounds": samples.rounds}
            for (profile, size), samples in self.report.results.items()
        ]
        return {
            "machine": self.report.machine,
            "scale": asdict(self.scale),
            "failures": self.report.failures,
            "usage": self.report.used,
            "values": values,
        }


def say(line: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")


def end(number: int, _) -> None:
    sys.exit(128 + number)


def main() -> int:
    given = options()
    signal.signal(signal.SIGTERM, end)  # like Ctrl-C, so that everything is cleaned up
    bench = Bench(given)
    try:
        bench.measure()
    except (pytest.skip.Exception, pytest.fail.Exception) as missing:
        say(str(missing))
        return 2
    finally:
        bench.tell()
    return 1 if bench.report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
