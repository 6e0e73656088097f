"""Draws how costs grow, as SVG images that are readable on a light and on a dark page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log10
from pathlib import Path
from xml.etree.ElementTree import Element

from pygal import XY, Config
from pygal.style import Style

from bench.figures import (
    FLOOR,
    LARGE_FANOUTS,
    READS,
    SMALL_FANOUTS,
    events_name,
    fanout_name,
    in_floors,
)
from bench.samples import Samples

WIDTH, HEIGHT = 720, 340
GREY, FAINT = "#808080", "#80808060"
COLORS = ("#2f81f7", "#d97706", "#2da44e", "#a855f7", "#e5484d", "#0ea5a5", "#b08800", "#c2410c")
IN_FLOORS, SECONDS = f"× {FLOOR}", "seconds to the last frame"
Results = Mapping[tuple[str, int], Samples]
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Plot:
    """One image: several lines of points. With `log`, equal steps of x are equal factors."""

    name: str
    title: str
    x_title: str
    y_title: str
    lines: Mapping[str, Points]
    log: bool = False

    def write(self, folder: Path) -> None:
        chart = XY(config())
        chart.title, chart.x_title, chart.y_title = self.title, self.x_title, self.y_title
        places = sorted({x for points in self.lines.values() for x, _ in points})
        chart.x_labels = [{"label": f"{x:,.0f}", "value": self.place(x)} for x in places]
        chart.range = (0, max(y for points in self.lines.values() for _, y in points) * 1.1)
        for line, points in self.lines.items():
            chart.add(line, [(self.place(x), y) for x, y in points])
        chart.add_xml_filter(without_scripts)
        (folder / f"performance-{self.name}.svg").write_bytes(chart.render())

    def place(self, x: float) -> float:
        return log10(x) if self.log else x


def without_scripts(root: Element) -> Element:
    """Remove the configuration of pygal's script, which the image does not load."""
    for parent in list(root.iter()):
        for script in [child for child in parent if str(child.tag).endswith("script")]:
            parent.remove(script)
    return root


def config() -> Config:
    """Return a configuration without random names, or colours that need a certain background."""
    style = Style(
        background="transparent",
        plot_background="transparent",
        foreground=GREY,
        foreground_strong=GREY,
        foreground_subtle=GREY,
        guide_stroke_color=FAINT,
        major_guide_stroke_color=FAINT,
        colors=COLORS,
        font_family="system-ui, sans-serif",
        label_font_size=12,
        major_label_font_size=12,
        legend_font_size=12,
        title_font_size=14,
        transition="none",
    )
    return Config(
        width=WIDTH, height=HEIGHT, style=style, js=[], no_prefix=True, legend_at_bottom=True, show_x_guides=False
    )


def plots(results: Results, events: Iterable[int]) -> list[Plot]:
    """Return the plots for which there are values."""
    profiles = list(dict.fromkeys(profile for profile, _ in results))
    sizes = sorted({size for _, size in results})
    smallest = {profile: results[profile, sizes[0]] for profile in profiles}
    fanouts = sorted({*SMALL_FANOUTS, *LARGE_FANOUTS})
    by_sockets = [(sockets, fanout_name(sockets, runs)) for sockets, runs in fanouts if runs == 1]
    by_runs = [(runs, fanout_name(sockets, runs)) for sockets, runs in fanouts if sockets == 20]
    found = [
        *(tasks(profile, [(size, results[profile, size]) for size in sizes]) for profile in profiles),
        Plot(
            "events",
            "The last 100 events of a run, by the length of its log",
            "events of the run",
            IN_FLOORS,
            {
                profile: points((number, samples, in_floors(events_name(number))) for number in events)
                for profile, samples in smallest.items()
            },
            log=True,
        ),
        Plot("sockets", "A run of 10,000 pieces, by sockets", "sockets", SECONDS, lines(smallest, by_sockets)),
        Plot(
            "runs",
            "Runs of 10,000 pieces to 20 sockets, by runs",
            "runs",
            SECONDS,
            lines(smallest, by_runs),
        ),
    ]
    return [plot for plot in found if any(len(points) > 1 for points in plot.lines.values())]


def tasks(profile: str, installations: Sequence[tuple[int, Samples]]) -> Plot:
    """Return the plot of one profile's requests."""
    return Plot(
        f"tasks-{profile}",
        f"Requests by the number of stored tasks, {profile}",
        "stored tasks",
        IN_FLOORS,
        {
            name: points((size, samples, in_floors(name)) for size, samples in installations)
            for name in (*READS, "task created")
        },
        log=True,
    )


def lines(installations: Mapping[str, Samples], names: Sequence[tuple[int, str]]) -> dict[str, Points]:
    return {profile: points((x, samples, name) for x, name in names) for profile, samples in installations.items()}


def points(wanted: Iterable[tuple[float, Samples, str]]) -> Points:
    """Return the medians of those figures that were measured."""
    return [(x, value) for x, samples, name in wanted if (value := samples.median(name)) is not None]
