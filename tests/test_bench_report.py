"""The bench's report, ratios and records."""

import re
from xml.etree import ElementTree as ET

from bench.record import record
from bench.report import Report
from bench.samples import Samples
from bench.scale import QUICK

MACHINE = {
    "commit": "0123abc",
    "cores": "2 of 2 (A CPU)",
    "Python": "3.11.7",
    "SQLite": "3.40.1",
    "load before": "0.10 0.20 0.30",
}


def test_what_the_runs_took_is_in_the_report_and_unknown_is_no_zero():
    known = {"runs": 3, "counted_runs": 2, "input_tokens": 12_000, "output_tokens": 0, "priced_runs": 2}
    unknown = dict.fromkeys(("input_tokens", "output_tokens", "cost_usd"))
    used = [
        {"model": "gpt-5", **known, "cost_usd": 0.0123},
        {"model": None, "runs": 15, "counted_runs": 0, "priced_runs": 0, **unknown},
    ]
    text = Report({}, [], [], {}, used={"embedded, 100 tasks": used}).text()

    assert "| embedded, 100 tasks | gpt-5 | 3 | 2 | 12,000 | 0 | 2 | 0.0123 |" in text
    assert "| embedded, 100 tasks | unknown | 15 | 0 | unknown | unknown | 0 | unknown |" in text


def measured(*, task_ms: float) -> Samples:
    samples = Samples()
    samples.add_round([("healthz", 2), ("healthz", 4), ("one task", task_ms), ("one task", task_ms)])
    return samples


def test_a_ratio_is_to_the_floor_of_the_same_measurement_and_is_marked_when_it_misses_its_goal():
    samples = measured(task_ms=6)
    samples.add_round([("healthz", 100), ("run answered", 100)])
    report = Report(
        MACHINE, ["embedded", "server"], [300], {("embedded", 300): samples, ("server", 300): Samples()}
    )

    goals = report.goals()
    assert "| one task : healthz | ≤ 3 | 2.00 | – |" in goals
    assert "| run answered : healthz | ≤ 6 | 1.00 | – |" in goals

    samples.add_round([("healthz", 1), ("one task", 8)])
    assert "| one task : healthz | ≤ 3 | 5.00 (2.00..8.00) ✗ | – |" in report.goals()


def test_a_record_has_the_newest_first_and_plots_of_what_was_measured(tmp_path):
    results = {("embedded", 300): measured(task_ms=6), ("embedded", 3_000): measured(task_ms=9)}
    for commit in ("0000old", "1111new"):
        record(Report(MACHINE | {"commit": commit}, ["embedded"], [300], results), QUICK, tmp_path)

    history = (tmp_path / "bench" / "history.md").read_text()
    assert re.findall(r"^## [\d-]{10}, (\w+)$", history, re.MULTILINE) == ["1111new", "0000old"]
    page = (tmp_path / "docs" / "performance.md").read_text()
    assert "one task: from 300 to 3,000 it takes 1.50 times as long." in page
    [image] = re.findall(r"\(images/(.*)\)", page)
    drawing = ET.parse(tmp_path / "docs" / "images" / image)
    assert drawing.getroot().tag.endswith("svg")
    assert not list(drawing.iter("{http://www.w3.org/2000/svg}script"))
