"""Print how long each part of .ci/run took, the ten slowest tests, and what failed; exit with 1 if a part did.

Reads a folder: `parts`, with a line "name seconds status" for each part, and pytest's JUnit reports (`*.xml`).
"""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

SLOWEST = 10


def main(folder: Path) -> int:
    """Print the summary; return the exit status."""
    parts = [line.rsplit(maxsplit=2) for line in (folder / "parts").read_text().splitlines()]
    say("")
    for seconds, name in sorted(tests_of(folder), reverse=True)[:SLOWEST]:
        say(f"{seconds:7.1f} s  {name}")
    say("")
    for name, seconds, status in parts:
        say(f"{int(seconds) // 60:4d}:{int(seconds) % 60:02d}  {name}{'' if status == '0' else ': FAILED'}")
    return int(any(status != "0" for _, _, status in parts))


def tests_of(folder: Path) -> list[tuple[float, str]]:
    """Return the seconds and the name of each test, with the report it is in: one for each profile."""
    return [
        (float(case.get("time", 0)), f"{case.get('classname', '')}::{case.get('name', '')} ({report.stem})")
        for report in folder.glob("*.xml")
        for case in ET.parse(report).iter("testcase")  # noqa: S314 - our own pytest wrote it
    ]


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
