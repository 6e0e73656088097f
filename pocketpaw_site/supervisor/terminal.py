"""Output to the terminal, and a type for command-line options."""

import sys
from argparse import ArgumentTypeError
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from agents import isolation

if TYPE_CHECKING:
    from mission_control.models import Run

MAX_RUNS = 50


def say(line: str = "") -> None:
    """Print a line at once. Ignores a terminal that has been closed."""
    with suppress(OSError, ValueError):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def say_isolation(wish: str) -> None:
    """Print warnings about the isolation of agents' programs on this machine."""
    for warning in isolation.warnings(wish):
        say(f"Warning: {warning}.")


def worker_count(text: str) -> int:
    """Return a number of workers. Raises ArgumentTypeError."""
    if not text.isdecimal() or not 1 <= int(text) <= 1001:
        raise ArgumentTypeError("a number from 1 to 1001")
    return int(text)


def say_runs(heading: str, runs: "Iterable[Run]") -> None:
    """Print a line for each run."""
    runs = list(runs)
    for run in runs[:MAX_RUNS]:
        say(f"{heading}: {plain(run.task_title)} by {plain(run.agent_name)} (run {run.pk})")
    if len(runs) > MAX_RUNS:
        say(f"{heading}: {len(runs) - MAX_RUNS} more")


def plain(text: str) -> str:
    """Return the text with all characters replaced that are not printable."""
    return "".join(character if character.isprintable() else " " for character in text)
