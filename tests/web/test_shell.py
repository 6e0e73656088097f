"""The frame of every page, and the pages of activity, notifications, account and overview."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db.models import Q
from django.test import Client
from django.utils import timezone

from mission_control import __version__
from mission_control.actions import comments, notifications, projects, tasks
from mission_control.models import AccessToken, Notification, Run, Task
from mission_control.runs.lifecycle import claim, finish
from tests import make
from tests.realtime.test_gone import rename
from tests.web.board.test_board import SCRIPT, html, text_of
from tests.web.conftest import SEES, client_of
from tests.web.pages import parked_run

pytestmark = pytest.mark.usefixtures("database")

PAGES = ["/", "/overview", "/activity", "/notifications", "/search", "/keys", "/account", "/tasks/new"]
PASSWORD = "a long enough one"


def ended_run(status=Run.Status.COMPLETED, *, by=None, error: str = "", **usage) -> Run:
    run = claim(make.run(make.task(), by).pk, worker="test/none/none/1-1")
    finish(run.pk, status, error=error, guard=Q(), usage=usage or None)
    return run


# ---------------------------------------------------------------- every page
@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_inline_that_the_policy_forbids(browser, path):
    make.run(make.task())
    answer = browser.get(path)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", page)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert "unsafe" not in answer["Content-Security-Policy"]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_needs_a_login(path):
    assert Client().get(path)["Location"].startswith("/login?next=")


def test_the_navigation_leads_only_where_the_user_may_go():
    nav = re.search(r'<nav class="nav".*?</nav>', html(client_of(make.user(may=SEES))), re.DOTALL)[0]
    assert "/overview" in nav
    assert "/projects" not in nav
    assert "/agents" not in nav
    assert "/activity" not in nav


def test_pages_are_refused_to_who_lacks_the_permission():
    client = client_of(make.user(may=["mission_control.view_task"]))
    for path in ("/overview", "/activity", "/notifications", "/tasks/new"):
        answer = client.get(path)
        assert answer.status_code == 403, path
        assert "You don’t have access" in answer.content.decode()
    assert 'id="slots"' not in html(client, "/board/changed?slots=yes")


@pytest.mark.embedded  # PostgreSQL does not report a missing table as an outage
def test_while_the_database_is_away_a_page_says_so_and_a_program_gets_the_apis_error(browser):
    rename(Task._meta.db_table, "away")
    try:
        page = browser.get("/", headers={"accept": "text/html,*/*;q=0.8"})
        program = browser.get("/api/mission-control/tasks", headers={"accept": "text/html,*/*;q=0.8"})
    finally:
        rename("away", Task._meta.db_table)
    assert (page.status_code, page["Retry-After"]) == (503, "2")
    assert "<h1>The database does not answer</h1>" in page.content.decode()
    assert (program.status_code, program["Content-Type"]) == (503, "application/json")


def test_what_is_not_there_says_so_in_the_shell(browser):
    answer = browser.get("/no/such/page")
    assert answer.status_code == 404
    assert "Page not found" in answer.content.decode()


# ---------------------------------------------------------------- the palette
def test_the_search_finds_tasks_projects_agents_pages_and_actions(browser):
    task = make.task(title="Bake the bread", description="with yeast")
    make.project(title="Bread project")
    make.agent(name="Breadmaker")
    found = html(browser, "/search?q=bread", **SCRIPT)
    assert f'href="/tasks/{task.pk}"' in found
    assert "Bread project" in found
    assert "Breadmaker" in found
    assert "Bake the bread" in html(browser, "/search?q=YEAST", **SCRIPT)
    assert "New agent" in html(browser, "/search?q=new", **SCRIPT)
    assert "Overview" in html(browser, "/search?q=overv")
    assert "No results for" in html(browser, "/search?q=zzz")
    assert html(browser, "/search?q=%00")


def test_the_search_shows_a_few_of_many_and_only_what_the_user_may_see(browser):
    Task.objects.bulk_create(Task(title=f"Many {number}") for number in range(50))
    make.project(title="Many projects")
    assert html(browser, "/search?q=many", **SCRIPT).count("Many ") == 9
    found = html(client_of(make.user(may=SEES)), "/search?q=many", **SCRIPT)
    assert "Many projects" not in found
    assert "New task" not in html(client_of(make.user(may=SEES)), "/search?q=new", **SCRIPT)


# ---------------------------------------------------------------- feed and notifications
def test_the_feed_links_what_it_tells_of_and_is_narrowed(browser):
    agent = make.agent(name="Scout")
    task = make.task(title="Collect notes", assignees=[agent])
    comments.post(task, by=make.user(), content="Look at this")
    every = html(browser, "/activity")
    assert f'<a href="/tasks/{task.pk}">Collect notes</a>' in every
    assert "Task created: Collect notes" in text_of(every)
    only_messages = text_of(html(browser, "/activity?kind=messages", **SCRIPT))
    assert "commented on" in only_messages
    assert "Task created" not in only_messages
    assert "was assigned to" in text_of(html(browser, f"/activity?agent={agent.pk}", **SCRIPT))


def test_the_feed_says_statuses_as_pages_do_and_links_projects(browser):
    project = projects.change(make.project(title="Birds"), status="awaiting_approval")
    task = tasks.set_status(make.task(title="Swifts"), "in_progress")
    feed = html(browser, "/activity")
    assert f'Project <a href="/projects/{project.pk}">Birds</a> moved from Draft to Awaiting approval' in feed
    assert f'<a href="/tasks/{task.pk}">Swifts</a> moved from Inbox to In progress' in feed


def test_the_feed_of_one_task_is_a_link_away_from_it(browser):
    task, other = make.task(title="Swifts"), make.task(title="Martins")
    path = f"/activity?task={task.pk}"
    assert f'href="{path}"' in html(browser, f"/tasks/{task.pk}")
    said = text_of(html(browser, path))
    assert "Task created: Swifts" in said
    assert "Martins" not in said
    assert "Showing activity of Swifts" in said
    assert f'name="task" value="{task.pk}"' in html(browser, path)  # it stays when the kind is chosen
    tasks.delete(other)
    assert html(browser, f"/activity?task={other.pk}")


@pytest.mark.parametrize(
    "query", ["kind=x", "agent=x", "task=x", "before=x", "before=99999999999999999999", "before=²"]
)
def test_a_feed_asked_for_nonsense_shows_what_there_is(browser, query):
    make.task(title="There")
    assert html(browser, f"/activity?{query}")


def test_a_long_feed_goes_on_on_the_next_page_without_gap_or_repeat(browser):
    for number in range(60):
        make.task(title=f"Number {number}.")
    first = html(browser, "/activity")
    older = re.search(r'href="(/activity\?before=\d+)"', first)[1]
    shown = re.findall(r"Number (\d+)\.", text_of(re.search(r'id="feed".*', first, re.DOTALL)[0]))
    shown += re.findall(r"Number (\d+)\.", text_of(re.search(r'id="feed".*', html(browser, older), re.DOTALL)[0]))
    assert [int(number) for number in shown] == list(range(59, -1, -1))


def test_the_link_to_the_notifications_counts_what_asks_for_a_person_until_it_is_read(browser):
    task = make.task(title="Look at me")
    notifications.notify_review_needed(task)
    notifications.create(Notification.Type.RUN_COMPLETED, "Only to be known")
    notifications.notify_assigned(task, [make.agent()])
    assert "1 notification" in html(browser, "/keys")
    page = html(browser, "/notifications")
    assert "Look at me" in page
    assert "Only to be known" in page
    told = Notification.objects.get(type=Notification.Type.REVIEW_NEEDED)
    browser.post(f"/notifications/{told.pk}/read")
    assert "No notifications" in html(browser, "/keys")
    browser.post("/notifications/read")
    assert "You’re all caught up" in html(browser, "/notifications")
    assert "Look at me" in html(browser, "/notifications?show=all")
    assert Notification.objects.filter(agent__isnull=False, read_at=None).count() == 1


def test_who_may_not_mark_notifications_gets_no_button():
    client = client_of(make.user(may=[*SEES, "mission_control.view_notification"]))
    notifications.notify_review_needed(make.task())
    assert "Mark" not in text_of(html(client, "/notifications").split("<main")[1])
    assert client.post("/notifications/read").status_code == 403
    assert client.post(f"/notifications/{Notification.objects.get().pk}/read").status_code == 403


# ---------------------------------------------------------------- account
def test_the_account_says_which_version_runs(browser):
    assert f"Mission Control {__version__}" in html(browser, "/account")


def test_a_token_is_shown_once_works_and_is_revoked(browser):
    made = browser.post("/account/tokens", {"name": "Deploy script", "days": "90"}).content.decode()
    text = re.search(r'<code class="tok" id="tok">(\w+)</code>', made)[1]
    assert "won’t be shown again" in made
    assert text not in html(browser, "/account")
    assert "Deploy script" in html(browser, "/account")
    bearer = {"Authorization": f"Bearer {text}"}
    assert Client().get("/api/mission-control/tasks", headers=bearer).status_code == 200
    browser.post(f"/account/tokens/{AccessToken.objects.get().uid}/revoke")
    assert Client().get("/api/mission-control/tasks", headers=bearer).status_code == 401


@pytest.mark.parametrize("fields", [{"name": ""}, {"name": "x" * 101}, {"name": "x", "days": "-1"}])
def test_a_token_that_cannot_be_made_is_refused(browser, fields):
    assert browser.post("/account/tokens", fields).status_code == 400
    assert not AccessToken.objects.exists()


def test_nobody_sees_or_revokes_the_tokens_of_others(browser):
    make.token(name="Not yours")
    assert "Not yours" not in html(browser, "/account")
    assert browser.post(f"/account/tokens/{AccessToken.objects.get().uid}/revoke").status_code == 404


def test_the_password_is_changed_here_and_ends_the_other_sessions():
    get_user_model().objects.create_user("mara", password=PASSWORD)
    here, there = Client(), Client()
    assert here.login(username="mara", password=PASSWORD)
    assert there.login(username="mara", password=PASSWORD)
    wrong = {"old_password": "no", "new_password1": "another good one", "new_password2": "another good one"}
    assert here.post("/account/password", wrong).status_code == 400
    answer = here.post("/account/password", {**wrong, "old_password": PASSWORD})
    assert answer["Location"] == "/account"
    assert here.get("/account").status_code == 200
    assert there.get("/account").status_code == 302


# ---------------------------------------------------------------- overview
def test_the_overview_counts_outcomes_tokens_and_cost(browser):
    agent = make.agent(name="Scout")
    paid = ended_run(by=agent, input_tokens=500_000, output_tokens=112_000, cost_usd=5.9)
    ended_run(by=agent)
    ended_run(Run.Status.ERROR, by=agent, error="It broke")
    ended_run(Run.Status.STOPPED, by=agent)
    page = text_of(html(browser, "/overview/figures"))
    assert "Completed 2 50%" in page
    assert "Failed 1 25%" in page
    assert "Stopped 1 25%" in page
    assert "612k 500k in, 112k out" in page
    assert "$5.90" in page
    charts = html(browser, "/overview/charts")
    assert "Runs by outcome, today: 2 completed, 1 failed, 1 stopped" in charts
    assert "today $5.90" in charts
    Task.objects.get(pk=paid.task_id).delete()
    assert "$5.90" in text_of(html(browser, "/overview/figures"))  # money that was spent stays counted
    assert "today $5.90" in html(browser, "/overview/charts")


def test_a_period_takes_in_its_days_and_no_more(browser):
    old = ended_run()
    Run.objects.filter(pk=old.pk).update(finished_at=timezone.now() - timedelta(days=10))
    assert "Completed 0" in text_of(html(browser, "/overview/figures"))
    assert "Completed 0" in text_of(html(browser, "/overview/figures?period=7"))
    assert "Completed 1" in text_of(html(browser, "/overview/figures?period=30"))
    assert "Completed 0" in text_of(html(browser, "/overview/figures?period=nonsense"))
    assert browser.get("/overview/nonsense").status_code == 404


def test_the_overview_names_what_needs_a_person(browser):
    review = make.task(title="Read this")
    tasks.set_status(review, Task.Status.REVIEW)
    ended_run(Run.Status.ERROR, error="Rate limit")
    make.task(title="Take photos", task_type="human")
    make.task(title="Later", task_type="human", blocked_by=[review])
    make.project(title="Plan of it", status="awaiting_approval")
    page = text_of(html(browser, "/overview/needs"))
    assert "Needs your attention 4" in page
    for words in ("Read this", "Rate limit", "Retry", "Take photos", "Mark done", "Plan of it", "Review plan"):
        assert words in page, words
    assert "Later" not in page
    browser.post(f"/tasks/{review.pk}/move", {"to": "done", "back": "overview"})
    assert "Needs your attention 4" in text_of(html(browser, "/overview/needs"))  # “Later” is a person's turn now
    assert "Later" in text_of(html(browser, "/overview/needs"))


def test_overview_names_a_used_up_quota_once_for_all_runs_that_wait_long(browser):
    runs = [parked_run(make.task()) for _ in range(2)]
    parked_run(make.task(), account="codex", minutes=5)
    page = text_of(html(browser, "/overview/needs"))
    assert "Needs your attention 1" in page
    assert "Quota used up , 2 runs wait: Waits for Claude until" in page
    assert "Codex" not in page
    answer = browser.post(f"/runs/{runs[0].pk}/resume", {"back": "overview"})
    assert answer["Location"] == "/overview"
    assert "Waits for Claude until" in text_of(html(browser, "/overview/needs"))  # the second one waits
    looks = client_of(make.user(may=["mission_control.view_task", "mission_control.view_run"]))
    assert "Try now" not in html(looks, "/overview/needs")


def test_days_are_those_of_the_viewers_zone(browser):
    browser.cookies["mc_zone"] = "Pacific/Kiritimati"
    ended_run()
    assert "Completed 1" in text_of(html(browser, "/overview/figures"))
    browser.cookies["mc_zone"] = "../../etc/passwd"
    assert html(browser, "/overview")
