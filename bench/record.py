"""Records what was measured: a section in bench/history.md, and docs/performance.md with its plots.

The sentences are generated, so that they say only what was measured.
"""

from datetime import UTC, datetime
from pathlib import Path

from bench.plots import Plot, plots
from bench.report import Report, number, table
from bench.scale import Scale

HISTORY = """\
# History of the measurements

Written by `make bench ARGS=--record`, the newest first. [README.md](README.md) says what each figure means.
"""
PAGE = """\
# Performance

How long things take, and how that grows. Written by `make bench ARGS=--record`; how each figure is measured:
[bench/README.md](../bench/README.md). Earlier measurements: [bench/history.md](../bench/history.md).

{machine}

`: healthz` is how many times as long as `/healthz` something takes. That request needs neither database nor login,
so that the ratio says more about another machine than a time does. ✗ marks what misses its goal. Times include the
clients, which share the cores.

{goals}
"""


def record(report: Report, scale: Scale, folder: Path) -> None:
    """Write all of it below the folder, which is the checkout or one to try it."""
    images = folder / "docs" / "images"
    for made in (images, folder / "bench"):
        made.mkdir(parents=True, exist_ok=True)
    drawn = plots(report.results, scale.events)
    for plot in drawn:
        plot.write(images)
    page = PAGE.format(machine=machine(report), goals=report.goals())
    (folder / "docs" / "performance.md").write_text(page + "".join(map(section, drawn)))
    history = folder / "bench" / "history.md"
    earlier = history.read_text().removeprefix(HISTORY) if history.exists() else ""
    today = datetime.now(UTC).date().isoformat()
    heading = f"\n## {today}, {report.machine['commit']}\n\n{machine(report)}\n\n"
    history.write_text(HISTORY + heading + report.goals() + "\n" + earlier)


def machine(report: Report) -> str:
    """Return a sentence about the version and the machine, without names or paths of it."""
    facts = report.machine
    return (
        f"Commit {facts['commit']}, cores: {facts['cores']}, Python {facts['Python']}, SQLite {facts['SQLite']}, "
        f"{report.rounds} round(s), load before: {facts['load before'].split()[0]}."
    )


def section(plot: Plot) -> str:
    """Return the plot, a sentence for each of its lines, and all values."""
    sentences = "\n".join(f"- {name}: {growth(points)}" for name, points in plot.lines.items() if len(points) > 1)
    image = f"![{plot.title}](images/performance-{plot.name}.svg)"
    return f"\n## {plot.title}\n\n{image}\n\n{values(plot)}\n\n{sentences}\n"


def values(plot: Plot) -> str:
    places = sorted({x for points in plot.lines.values() for x, _ in points})
    rows = [
        [name, *(number(dict(points)[x]) if x in dict(points) else "–" for x in places)]
        for name, points in plot.lines.items()
    ]
    return table([[f"{plot.x_title} →", *(f"{x:,.0f}" for x in places)], *rows])


def growth(points: list[tuple[float, float]]) -> str:
    (first, before), (last, after) = points[0], points[-1]
    return f"from {first:,.0f} to {last:,.0f} it takes {number(after / before)} times as long."
