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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Error as BrowserError

from bench.busy import busy
from bench.fanout import crowd, fanout, small_fanout, stalled
from bench.idle import idle, memory
from bench.installation import Installation, MeasuredProduct, installations
from bench.logs import logs
from bench.machine import describe
from bench.pages import long_run, pages
from bench.projects import projects
from bench.record import record
from bench.report import Report
from bench.requests import limit, requests, writers
from bench.running import running, used, warm_up
from bench.samples import Samples
from bench.scale import QUICK, Scale
from tests.product import CHECKOUT

Measurement = Callable[[MeasuredProduct, Scale], Iterator[tuple[str, float]]]

PROFILES = ["embedded", "server"]
SIZES, QUICK_SIZES = [300, 100_000], [300]
SIZES_BETWEEN = [3_000, 30_000]  # measured for the plots only
REPEATS, QUICK_REPEATS = 3, 1
MINUTES = 24.0
FILLS_AT_ONCE = 2
FAILURES = (
    AssertionError,
    BrowserError,
    OSError,
    http.client.HTTPException,
    httpx.HTTPError,
    subprocess.SubprocessError,
)


def ready(product: MeasuredProduct, _: Scale) -> Iterator[tuple[str, float]]:
    yield "ready", product.ready_seconds


# Measured once, before the rounds; those that hardly depend on the stored tasks only with the fewest.
ONCE: list[Measurement] = [ready, pages]
ONCE_WITH_FEWEST: list[Measurement] = [ready, idle, memory, limit, pages, long_run, small_fanout, stalled, logs]
IN_EACH_ROUND: list[Measurement] = [running, requests, writers, projects, fanout, crowd, busy]
MEASUREMENTS = [*ONCE_WITH_FEWEST, *IN_EACH_ROUND]
NAMES = [measurement.__name__ for measurement in MEASUREMENTS]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the whole product.")
    parser.add_argument("--profile", choices=[*PROFILES, "both"], default="both")
    parser.add_argument("--sizes", type=numbers, help="tasks stored (300,100000)")
    parser.add_argument("--events", type=int, default=0, help="run events and activities stored, at least so many")
    parser.add_argument("--repeats", type=int, help=f"rounds at most ({REPEATS})")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"no round that ends later ({MINUTES:g})")
    parser.add_argument("--only", type=names, default=NAMES, help=f"of {','.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="little of everything, to try it")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write all values as JSON")
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FOLDER",
        nargs="?",
        const=CHECKOUT,
        help="add the goals to bench/history.md and write docs/performance.md with its plots, in the checkout",
    )
    given = parser.parse_args()
    if given.quick and given.record == CHECKOUT:
        parser.error("--quick is no record: name a folder to try it")
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
    if unknown := set(wanted) - set(NAMES):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return wanted


class Bench:
    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.scale = QUICK if given.quick else Scale()
        self.profiles = PROFILES if given.profile == "both" else [given.profile]
        self.started_at = time.monotonic()
        between = [] if given.quick or not given.record else SIZES_BETWEEN
        self.all_sizes = sorted({*given.sizes, *between})
        results = {(profile, size): Samples() for profile in self.profiles for size in self.all_sizes}
        machine = describe(Path(tempfile.gettempdir()))
        if given.quick:
            machine["quick"] = "smaller loads than the goals are for, and few values: only to try it"
        self.report = Report(machine, self.profiles, given.sizes, results)

    def measure(self) -> None:
        with installations(self.profiles, self.all_sizes) as installed:
            with ThreadPoolExecutor(FILLS_AT_ONCE) as pool:
                list(pool.map(self.fill, sorted(installed, key=lambda one: -one.size)))
            took = 0.0
            for number in range(self.given.repeats + 1):  # in turns, so that a disturbance affects all
                started_at = time.monotonic()
                if number > 1 and started_at - self.started_at + took > self.given.minutes * 60:
                    say(f"no round {number}: it would end after more than {self.given.minutes:g} minutes")
                    break
                for installation in installed:
                    self.measure_round(installation, number)
                took = time.monotonic() - started_at

    def fill(self, installation: Installation) -> None:
        say(f"{installation}: storing the tasks")
        installation.fill(self.given.events)

    def measurements(self, installation: Installation, number: int) -> list[Measurement]:
        """Return what to measure in a round. Round 0 is for what is measured once."""
        if installation.size not in self.given.sizes:
            found: list[Measurement] = [requests] if number == 0 else []
        elif number > 0:
            found = IN_EACH_ROUND
        else:
            found = ONCE_WITH_FEWEST if installation.size == min(self.given.sizes) else ONCE
        return [measurement for measurement in found if measurement.__name__ in self.given.only]

    def measure_round(self, installation: Installation, number: int) -> None:
        measurements = self.measurements(installation, number)
        if not measurements:
            return
        samples = self.report.results[installation.profile, installation.size]
        try:
            with installation.running() as product:
                if measurements != [ready]:
                    warm_up(product, self.scale)
                for measurement in measurements:
                    say(f"{installation}: round {number}, {measurement.__name__}")
                    self.measure_one(installation, number, measurement, product, samples)
                self.report.used[str(installation)] = used(product)  # data is kept: the last covers all rounds
        except FAILURES as error:
            self.fail(installation, number, "the product", error)

    def measure_one(
        self,
        installation: Installation,
        number: int,
        measurement: Measurement,
        product: MeasuredProduct,
        samples: Samples,
    ) -> None:
        """Run one measurement; if it fails, add the failure to the report and go on with the next."""
        try:
            samples.add_round(list(measurement(product, self.scale)))
        except FAILURES as error:
            self.fail(installation, number, measurement.__name__, error)

    def fail(self, installation: Installation, number: int, what: str, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:500]
        self.report.failures.append(f"{installation}, round {number}, {what}: {reason}")
        say(self.report.failures[-1])

    def print_report(self) -> None:
        """Print the report and write the values as JSON, also after an early end."""
        if not self.report.rounds and not self.report.failures:
            return
        if self.given.output:
            self.given.output.write_text(json.dumps(self.raw(), indent=1) + "\n")
        sys.stdout.write(self.report.text())
        say(f"took {(time.monotonic() - self.started_at) / 60:.1f} minutes")

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
        bench.print_report()
    if given.record:
        record(bench.report, bench.scale, given.record)
    return 1 if bench.report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
