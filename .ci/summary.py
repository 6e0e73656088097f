"""Print how long each part of .ci/run took, the ten slowest tests, and what failed; exit with 1 if a part failed.

Reads a folder: `parts`, with a line "name seconds status" for each part, pytest's JUnit reports (`*.xml`), and
`fuzz`, what the fuzzer printed. Failures are printed again here, since a viewer may keep only the end of a log.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

SLOWEST = 10
FAILURES = 30  # failed tests to list; if more fail, they have one cause
MESSAGE_LENGTH = 400
FUZZ_LENGTH = 3000


def main(folder: Path) -> int:
    """Print the summary; return the exit status."""
    parts = [line.rsplit(maxsplit=2) for line in (folder / "parts").read_text().splitlines()]
    say("")
    for seconds, name in sorted(tests_of(folder), reverse=True)[:SLOWEST]:
        say(f"{seconds:7.1f} s  {name}")
    say("")
    for name, message in list(failures_of(folder))[:FAILURES]:
        say(f"FAILED {name}: {' '.join(message.split())[:MESSAGE_LENGTH]}")
    if any(name == "fuzz" and status != "0" for name, _, status in parts):
        say((folder / "fuzz").read_text(errors="replace")[-FUZZ_LENGTH:])
    for name, seconds, status in parts:
        say(f"{int(seconds) // 60:4d}:{int(seconds) % 60:02d}  {name}{'' if status == '0' else ': FAILED'}")
    return int(any(status != "0" for _, _, status in parts))


def tests_of(folder: Path) -> list[tuple[float, str]]:
    """Return the seconds and the name of each test. The name includes the report, one for each profile."""
    return [(float(case.get("time", 0)), name) for case, name in cases_of(folder)]


def failures_of(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the message of each test that failed."""
    for case, name in cases_of(folder):
        for kind in ("failure", "error"):
            for found in case.iter(kind):
                yield name, found.get("message", "")


def cases_of(folder: Path) -> Iterator[tuple[ET.Element, str]]:
    """Yield each test with its name, which includes its report."""
    for report in folder.glob("*.xml"):
        for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own pytest wrote it
            yield case, f"{case.get('classname', '')}::{case.get('name', '')} ({report.stem})"


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
