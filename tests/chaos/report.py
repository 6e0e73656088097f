"""The output for the person at the terminal: a line for each round, a table at the end."""

from collections import defaultdict
from statistics import median

from tests.chaos.rounds import Result


def line(profile: str, result: Result) -> str:
    recovery = "     -" if result.recovery_seconds is None else f"{result.recovery_seconds:5.1f}s"
    state = f"left out: {result.left_out}" if result.left_out else "ok"
    if result.broken:
        state = "BROKEN" + "".join(f"\n      - {what}" for what in result.broken)
    return (
        f"{profile:8} {result.number:4}  {result.fault.name:38} {result.ran:32} {result.runs:3} runs"
        f"  recovered {recovery}  round {result.seconds:5.1f}s  {state}"
    )


def table(results: dict[str, list[Result]]) -> str:
    """Return a table of faults, counts, failures, median and worst recovery for each profile."""
    lines = []
    for profile, played in results.items():
        by_fault: dict[str, list[Result]] = defaultdict(list)
        for result in played:
            by_fault[result.fault.name].append(result)
        lines.append(f"\n{profile:40} rounds  left out  failed  recovery: median   worst")
        lines += [_row(name, by_fault[name]) for name in sorted(by_fault)]
        lines.append(_row("all", played))
    return "\n".join(lines)


def _row(name: str, results: list[Result]) -> str:
    played = [result for result in results if not result.left_out]
    seconds = [result.recovery_seconds for result in played if result.recovery_seconds is not None]
    failed = sum(bool(result.broken) for result in results)
    times = f"{median(seconds):14.1f} s {max(seconds):6.1f} s" if seconds else ""
    return f"  {name:38} {len(results):6}  {len(results) - len(played):8}  {failed:6}  {times}"
