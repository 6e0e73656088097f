"""A task's due day is the day that was typed, for every reader."""

import re
from datetime import date

import pytest

from mission_control.models import Task
from tests import make
from tests.web.pages import SCRIPT, html, post, squeezed

pytestmark = pytest.mark.usefixtures("database")

ZONES = ["Pacific/Kiritimati", "Pacific/Auckland", "UTC", "America/Los_Angeles", "Pacific/Pago_Pago"]


def days_shown(browser, task) -> set[str]:
    """Return the due day in all places that show it: page, parts for the script, form, needs of the overview."""
    page = html(browser, f"/tasks/{task.pk}")
    parts = squeezed(browser.get(f"/tasks/{task.pk}/parts", **SCRIPT).content.decode())
    typed = re.findall(r'name="due_date" value="([^"]*)"', page + parts)
    written = re.findall(r"Change due date: </span>\s*(?:\w+, )?(\w+ \d+)", page + parts)
    needed = re.findall(r"due\s*<time[^>]*>(\w+ \d+)", html(browser, "/overview"))
    assert (len(typed), len(written), len(needed)) == (2, 2, 1)
    return {*typed, *written, *needed}


@pytest.mark.parametrize("zone", ZONES)
def test_the_typed_day_is_read_everywhere_and_stays_when_it_is_saved_again(browser, zone):
    browser.cookies["mc_zone"] = zone
    browser.post("/tasks/new", {"title": "Due", "due_date": "2031-05-06", "task_type": "human"})
    task = Task.objects.get()
    stored = task.due_date
    assert days_shown(browser, task) == {"2031-05-06", "May 6"}
    post(browser, task, "edit", due_date="2031-05-06")
    assert Task.objects.get().due_date == stored
    post(browser, task, "edit", due_date="2031-05-07")
    assert days_shown(browser, task) == {"2031-05-07", "May 7"}


def test_a_new_and_an_edited_task_store_a_day_in_the_same_way(browser):
    browser.post("/tasks/new", {"title": "New", "due_date": "2031-05-06"})
    post(browser, edited := make.task(title="Edited"), "edit", due_date="2031-05-06")
    edited.refresh_from_db()
    assert Task.objects.get(title="New").due_date == edited.due_date
    assert edited.due_day == date(2031, 5, 6)
