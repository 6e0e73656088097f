"""Costs, tokens, shares and durations have one formatting function each, and so are the same on every page."""

import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import mission_control
from mission_control import formatting
from tests import make
from tests.web.pages import finished_run, html, text_of

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize(
    ("write", "written"),
    [
        (
            formatting.dollars,
            {
                None: "–", 0: "$0.00", 0.00001: "< $0.0001", 0.0042: "$0.0042", Decimal("0.0123"): "$0.0123",
                0.05: "$0.05", 0.09999: "$0.10", 0.244: "$0.24", 0.5: "$0.50", 1234.5: "$1,234.50",
            },
        ),
        (
            formatting.short_count,
            {
                None: "–", 0: "0", 950: "950", 999: "999", 1000: "1k", 4_100: "4.1k", 18_412: "18.4k",
                99_960: "100k", 412_000: "412k", 999_499: "999k", 999_600: "1M",
                1_240_000: "1.2M", 2_500_000_000: "2,500M",
            },
        ),
        (formatting.full_count, {None: "–", 0: "0", 18_412: "18,412"}),
        (
            formatting.duration,
            {
                None: "", 0: "0 s", 1.24: "1.2 s", 9.96: "10 s", 59.4: "59 s", 119.6: "2 min", 300: "5 min",
                7_170: "2 h 0 min", 7_500: "2 h 5 min",
            },
        ),
        (formatting.file_size, {0: "0 B", 1_023: "1023 B", 2_970: "2.9 KB", 1_500_000: "1.4 MB"}),
        (
            formatting.utc_time,
            {datetime(2026, 11, 23, 10, 30, tzinfo=ZoneInfo("Europe/Berlin")): "2026-11-23 09:30 UTC"},
        ),
        (formatting.clock, {None: "", 0: "00:00", 61.9: "01:01", 3_600: "1:00:00"}),
        (
            lambda pair: formatting.percent(*pair),
            {(0, 0): "–", (0, 3): "0%", (1, 3): "33%", (1, 1000): "1%", (999, 1000): "99%", (3, 3): "100%"},
        ),
    ],
)  # fmt: skip
def test_numbers_are_written_short_and_nothing_that_matters_is_lost(write, written):
    assert {given: write(given) for given in written} == written


def test_a_small_cost_reads_alike_on_every_page(browser):
    agent, project = make.agent(), make.project()
    task = make.task(project=project, assignees=[agent])
    usage = {"model": "m", "input_tokens": 18_412, "output_tokens": 0, "cost_usd": 0.0042}
    finished_run(task, agent, usage=usage)
    pages = ["/", f"/tasks/{task.pk}", "/agents", f"/agents/{agent.pk}", f"/projects/{project.pk}"]
    for path in [*pages, "/overview", "/overview/usage", "/admin/mission_control/run/"]:
        shown = text_of(html(browser, path))
        assert "$0.0042" in shown, path
        assert "< $0.01" not in shown, path


def test_no_other_code_writes_money():
    folder = Path(mission_control.__file__).parent
    code = {str(path): path.read_text() for path in folder.rglob("*.py") if path.name != "formatting.py"}
    pages = {str(path): path.read_text() for path in (folder.parent / "templates").rglob("*.html")}
    assert [name for name, text in code.items() if re.search(r"""f["'][^"'\n]*\$\{""", text)] == []
    assert [name for name, text in pages.items() if "${{" in text] == []
