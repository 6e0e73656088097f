"""What the page shows."""

import re
from datetime import timedelta

import pytest
from django.db.models import Q
from django.utils import timezone

from mission_control.models import Run, RunEvent, Task
from mission_control.runs import events
from mission_control.runs.deliverables import hand_in
from mission_control.runs.events import Draft
from mission_control.runs.lifecycle import claim, finish
from mission_control.web.output import SHOWN_EVENTS
from tests import make

pytestmark = pytest.mark.usefixtures("database")

HOSTILE = '</div><script>alert(1)</script><img src=x onerror="alert(2)">'
Type = RunEvent.Type


def started_run(task, agent=None) -> Run:
    return claim(make.run(task, agent).pk, worker="test/none/none/1-1")


def say(run: Run, *drafts: Draft) -> None:
    after = Run.objects.values_list("last_seq", flat=True).get(pk=run.pk)
    events.append(run.pk, run.claim_token, list(drafts), after=after)


def html(browser, path="/") -> str:
    answer = browser.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def text_of(markup: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", markup).split())


def test_a_board_without_tasks_shows_three_steps(browser):
    page = html(browser)
    assert page.count('class="step"') == 3
    assert "Create an agent" in page
    assert 'id="tasks"' not in page


def test_tasks_are_listed_newest_first_with_status_project_and_first_assignee(browser):
    first, second = make.agent(name="Scout"), make.agent(name="Quill")
    project = make.project(title="The first page")
    make.task(title="Older")
    make.task(title="Newer", project=project, assignees=[second, first])
    rows = re.findall(r'<li class="task".*?</li>', html(browser), re.DOTALL)
    assert "Newer" in rows[0]
    assert "Older" in rows[1]
    assert 'data-status="assigned"' in rows[0]
    assert "Assigned" in text_of(rows[0])
    assert "The first page" in rows[0]
    assert re.search(rf'value="{second.pk}" selected', rows[0])


def test_a_row_tells_what_became_of_the_last_run(browser):
    task = make.task()
    run = started_run(task)
    assert "Running" in text_of(html(browser, f"/tasks/{task.pk}/row"))
    finish(run.pk, Run.Status.ERROR, error="The provider refused", guard=Q())
    row = html(browser, f"/tasks/{task.pk}/row")
    assert 'data-status="blocked"' in row
    assert "Failed: The provider refused" in text_of(row)


def test_a_blocked_task_names_what_it_needs_and_its_button_is_disabled(browser):
    make.agent()
    first = make.task(title="Collect notes")
    second = make.task(title="Write", blocked_by=[first])
    row = html(browser, f"/tasks/{second.pk}/row")
    assert "Needs Collect notes first" in text_of(row)
    assert re.search(rf'<button type="button" class="btn" disabled aria-describedby="row-why-{second.pk}"', row)
    Task.objects.filter(pk=first.pk).update(status=Task.Status.DONE)
    assert "disabled" not in html(browser, f"/tasks/{second.pk}/row")


def test_a_persons_task_and_a_board_without_agents_say_why_nothing_runs(browser):
    task = make.task()
    assert "There is no agent yet" in html(browser, f"/tasks/{task.pk}/row")
    make.agent()
    human = make.task(task_type="human")
    assert "For a person" in html(browser, f"/tasks/{human.pk}/row")


def test_the_bar_counts_slots_and_says_when_none_is_free(browser):
    make.limit(2)
    agent = make.agent()
    make.run(make.task(), agent)
    page = html(browser, "/capacity")
    assert "1 of 2" in text_of(page)
    assert "data-full" not in page
    make.run(make.task(), agent)
    make.run(make.task(), agent, when_full="queue")
    page = html(browser, "/capacity")
    assert "2 of 2 · 1 waiting" in text_of(page)
    assert "data-full" in page


def test_output_is_shown_from_stored_events_with_neighbours_joined(browser):
    task = make.task()
    run = started_run(task, make.agent(name="Scout"))
    say(run, Draft(Type.THINKING, "Let me "), Draft(Type.THINKING, "see."))
    say(
        run, Draft(Type.TOOL_USE, "read_file", {"input": {"path": "notes.md"}}), Draft(Type.TOOL_RESULT, "x" * 300)
    )
    say(run, Draft(Type.MESSAGE, "One\nt"), Draft(Type.MESSAGE, "wo"), Draft(Type.STATUS, "Tried again"))
    finish(run.pk, Run.Status.ERROR, error="It broke", guard=Q())
    page = html(browser, f"/tasks/{task.pk}")
    shown = re.search(r'<ol id="events">(.*?)</ol>', page, re.DOTALL)[1]
    kinds = re.findall(r'data-kind="(\w+)"', shown)
    assert kinds == ["started", "thinking", "tool_use", "tool_result", "message", "notice", "error"]
    assert '<div class="text" data-text>One\ntwo</div>' in shown
    assert "Let me see." in shown
    assert "notes.md" in shown
    assert "x" * 300 in shown
    assert "It broke" in shown
    assert re.search(r'data-last-seq="9"', page)


def test_a_long_log_shows_its_end_and_leads_to_what_came_before(browser):
    task = make.task()
    run = started_run(task)
    say(run, *(Draft(Type.STATUS, f"notice {number}") for number in range(2, SHOWN_EVENTS + 50)))
    page = html(browser, f"/tasks/{task.pk}")
    assert "notice 2<" not in page
    assert f"notice {SHOWN_EVENTS + 49}<" in page
    upto = int(re.search(r"upto=(\d+)", page)[1])
    earlier = html(browser, f"/tasks/{task.pk}?run={run.pk}&upto={upto}")
    assert f"notice {upto}<" in earlier
    assert f"notice {upto + 1}<" not in earlier
    assert 'data-follows="no"' in earlier


def test_an_earlier_attempt_can_be_read_and_does_not_follow(browser):
    task = make.task()
    first = started_run(task)
    say(first, Draft(Type.MESSAGE, "from the first attempt"))
    finish(first.pk, Run.Status.STOPPED, guard=Q())
    make.run(task)
    assert "from the first attempt" not in html(browser, f"/tasks/{task.pk}")
    page = html(browser, f"/tasks/{task.pk}?run={first.pk}")
    assert "from the first attempt" in page
    assert 'data-follows="no"' in page


def test_what_was_handed_in_is_shown_as_plain_text(browser):
    task = make.task()
    run = started_run(task)
    hand_in(run, "# The <result>\n")
    assert "# The &lt;result&gt;\n</pre>" in html(browser, f"/tasks/{task.pk}")


def test_what_agents_and_people_write_is_never_markup(browser):
    agent = make.agent(name=HOSTILE[:50])
    project = make.project(title=HOSTILE)
    task = make.task(title=HOSTILE, description=HOSTILE, project=project, assignees=[agent])
    run = started_run(task, agent)
    kinds = (Type.MESSAGE, Type.THINKING, Type.TOOL_USE, Type.TOOL_RESULT, Type.STATUS)
    say(run, *(Draft(kind, HOSTILE, {"input": HOSTILE}) for kind in kinds))
    hand_in(run, HOSTILE)
    finish(run.pk, Run.Status.ERROR, error=HOSTILE, guard=Q())
    blocked = make.task(title=HOSTILE, blocked_by=[make.task(title=HOSTILE, project=project)], project=project)
    for path in (f"/tasks/{task.pk}", f"/tasks/{blocked.pk}", f"/runs/{run.pk}/events/2"):
        page = html(browser, path)
        assert "alert(1)" in page
        assert "<script>" not in page
        assert "<img" not in page


def test_nothing_is_inline_that_the_policy_forbids(browser):
    task = make.task()
    started_run(task)
    for path in ("/", f"/tasks/{task.pk}", "/tasks", f"/tasks/{task.pk}/pane", "/login", "/no/such/page"):
        answer = browser.get(path)
        page = answer.content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", page), path
        policy = answer["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy


def test_the_number_of_queries_does_not_grow_with_the_tasks(browser, django_assert_max_num_queries):
    agents = [make.agent() for _ in range(3)]
    project = make.project()

    def grow(number: int) -> None:
        for _ in range(number):
            free = make.task(project=project, assignees=agents)
            make.task(project=project, assignees=agents, blocked_by=[free])

    grow(2)
    with django_assert_max_num_queries(25) as few:
        html(browser)
    grow(20)
    with django_assert_max_num_queries(25) as many:
        html(browser)
    assert len(many) == len(few)


def test_the_list_has_pages_of_fifty_and_actions_keep_the_page(browser):
    agent = make.agent()
    tasks = [make.task() for _ in range(51)]
    Task.objects.filter(pk=tasks[0].pk).update(updated_at=timezone.now() - timedelta(days=1))
    first, second = html(browser), html(browser, "/?page=2")
    assert first.count('<li class="task"') == 50
    assert second.count('<li class="task"') == 1
    assert tasks[0].title in second
    answer = browser.post(f"/tasks/{tasks[0].pk}/run", {"agent": agent.pk, "page": "2"})
    assert answer["Location"] == f"/tasks/{tasks[0].pk}?page=2"
    for nonsense in ("x", "99999999999999999999", "-1", "²"):
        assert browser.get("/", {"page": nonsense}).status_code == 200


def test_unknown_things_are_not_found_and_odd_queries_harmless(browser):
    task = make.task()
    unknown = "00000000-0000-4000-8000-000000000000"
    for path in (f"/tasks/{unknown}", f"/tasks/{unknown}/row", f"/tasks/{unknown}/pane", "/tasks/nonsense"):
        assert browser.get(path).status_code == 404, path
    run = make.run(task)
    assert browser.get(f"/runs/{run.pk}/events/99999999999999999999999").status_code == 404
    for query in ("run=x", f"run={unknown}", "upto=x", "upto=0", "upto=99999999999999999999", "upto=²", "run=%00"):
        assert browser.get(f"/tasks/{task.pk}?{query}").status_code == 200, query
