"""The bench's report of the product's own figures."""

from bench.report import Report


def test_what_the_runs_took_is_in_the_report_and_unknown_is_no_zero():
    known = {"runs": 3, "counted_runs": 2, "input_tokens": 12_000, "output_tokens": 0, "priced_runs": 2}
    unknown = dict.fromkeys(("input_tokens", "output_tokens", "cost_usd"))
    used = [
        {"model": "gpt-5", **known, "cost_usd": 0.0123},
        {"model": None, "runs": 15, "counted_runs": 0, "priced_runs": 0, **unknown},
    ]
    told = Report({}, [], [], {}, used={"embedded, 100 tasks": used}).text()

    assert "| embedded, 100 tasks | gpt-5 | 3 | 2 | 12,000 | 0 | 2 | 0.0123 |" in told
    assert "| embedded, 100 tasks | unknown | 15 | 0 | unknown | unknown | 0 | unknown |" in told
