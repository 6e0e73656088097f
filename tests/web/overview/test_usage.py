"""The usage of runs as a table: by day, agent, project, task or model, between two days."""

import re

import pytest
from django.utils import timezone

from mission_control.models import UsageRecord
from tests import make
from tests.web.conftest import SEES, client_of
from tests.web.pages import finished_run, html, text_of

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def task():
    """One task with a run that cost something."""
    made = make.task(title="Write it", project=make.project(title="Birds"))
    finished_run(made, make.agent(name="Quill"))
    UsageRecord.objects.update(model="some-model", input_tokens=1_200, output_tokens=34, cost_usd="1.5")
    return made


@pytest.mark.parametrize(
    ("by", "words"),
    [("agent", "Quill"), ("project", "Birds"), ("task", "Write it"), ("model", "some-model")],
)
def test_what_runs_took_is_summed_by_what_is_chosen(browser, task, by, words):
    said = text_of(html(browser, f"/overview/usage?by={by}"))
    assert f"{words} 1 1,200 34 $1.50" in said


def test_the_days_are_the_default_and_narrow_it(browser, task):
    today = timezone.now().date().isoformat()
    for query in ("", f"?from={today}&to={today}", "?by=nonsense&from=x&to=9"):
        assert "1 1,200 34 $1.50" in text_of(html(browser, f"/overview/usage{query}")), query
    assert "No finished runs in this period" in html(browser, "/overview/usage?to=2020-01-01")
    assert f'value="{today}"' in html(browser, f"/overview/usage?from={today}")


def test_what_is_linked_is_there(browser, task):
    assert f'href="/tasks/{task.pk}"' in html(browser, "/overview/usage?by=task")
    assert re.search(r'href="/overview/usage"', html(browser, "/overview"))
    task.delete()
    assert "deleted" in html(browser, "/overview/usage?by=task")


def test_who_may_not_see_runs_sees_no_usage():
    assert client_of(make.user(may=SEES[:1])).get("/overview/usage").status_code == 403
