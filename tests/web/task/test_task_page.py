"""The task page: its content and its actions."""

import re

import pytest
from asgiref.sync import async_to_sync
from django.db.models import Q

from mission_control.actions import comments, documents, reviews, tasks
from mission_control.models import Deliverable, Message, Run, RunEvent, Task
from mission_control.runs.deliverables import save_output
from mission_control.runs.events import Draft
from mission_control.runs.lifecycle import finish, stop
from mission_control.web.run.transcript import STRETCH_EVENTS
from tests import make
from tests.web.conftest import client_of
from tests.web.pages import SCRIPT, finished_run, html, page_of, parked_run, part, post, say, started_run, text_of

pytestmark = pytest.mark.usefixtures("database")

HOSTILE = '</div><script>alert(1)</script><img src=x onerror="alert(2)">'
Type = RunEvent.Type


# ---------------------------------------------------------------- output
def test_output_is_shown_from_stored_events_as_blocks_with_their_numbers(browser):
    task = make.task()
    run = started_run(task, make.agent(name="Scout"))
    say(run, Draft(Type.THINKING, "Let me "), Draft(Type.THINKING, "see."))
    say(
        run, Draft(Type.TOOL_USE, "read_file", {"input": {"path": "notes.md"}}), Draft(Type.TOOL_RESULT, "x" * 300)
    )
    say(run, Draft(Type.MESSAGE, "**One**\nt"), Draft(Type.MESSAGE, "wo"), Draft(Type.STATUS, "Tried again"))
    finish(run.pk, Run.Status.ERROR, error="It broke", guard=Q())
    page = page_of(browser, task)
    shown = re.search(r'<ol id="events">(.*?)</ol>', page, re.DOTALL)[1]
    found = re.findall(r'data-kind="(\w+)" data-first="(\d+)" data-last="(\d+)"', shown)
    assert [kind for kind, _, _ in found] == ["started", "thinking", "tool", "message", "notice", "error"]
    assert [(int(first), int(last)) for _, first, last in found] == [
        (1, 1),
        (2, 3),
        (4, 5),
        (6, 7),
        (8, 8),
        (9, 9),
    ]
    assert "<strong>One</strong><br />\ntwo" in shown
    for words in ("Let me see.", "notes.md", "x" * 300, "It broke", "Tried again"):
        assert words in shown
    assert 'data-known="9" data-follows="yes" data-active="no"' in " ".join(page.split())


def test_a_long_log_shows_its_end_and_leads_to_what_came_before(browser):
    task = make.task()
    run = started_run(task)
    say(run, *(Draft(Type.STATUS, f"notice {number}") for number in range(2, STRETCH_EVENTS + 50)))
    page = page_of(browser, task)
    assert "notice 2<" not in page
    assert f"notice {STRETCH_EVENTS + 49}<" in page
    upto = int(re.search(r"upto=(\d+)", page)[1])
    earlier = page_of(browser, task, f"?run={run.pk}&upto={upto}")
    assert f"notice {upto}<" in earlier
    assert f"notice {upto + 1}<" not in earlier
    assert 'data-follows="no"' in earlier
    behind = html(browser, f"/runs/{run.pk}/output?after={upto}")
    assert f'data-first="{upto + 1}"' in behind
    assert f"notice {upto}<" not in behind


def test_an_earlier_attempt_can_be_read_and_does_not_follow(browser):
    task = make.task()
    first = finished_run(task, said="from the first attempt", outcome=Run.Status.STOPPED)
    make.run(task)
    assert "from the first attempt" not in page_of(browser, task)
    page = page_of(browser, task, f"?run={first.pk}")
    assert "from the first attempt" in page
    assert 'data-follows="no"' in page
    assert "View latest" in page


def test_what_agents_and_people_write_is_never_markup(browser):
    agent = make.agent(name=HOSTILE[:50])
    project = make.project(title=HOSTILE)
    task = make.task(title=HOSTILE, description=HOSTILE, project=project, assignees=[agent], tags=[HOSTILE[:50]])
    comments.post(task, HOSTILE, from_agent=agent)
    run = started_run(task, agent)
    kinds = (Type.MESSAGE, Type.THINKING, Type.TOOL_USE, Type.TOOL_RESULT, Type.STATUS)
    say(run, *(Draft(kind, HOSTILE, {"input": HOSTILE}) for kind in kinds))
    save_output(run, HOSTILE)
    finish(run.pk, Run.Status.ERROR, error=HOSTILE, guard=Q())
    Run.objects.filter(pk=run.pk).update(prompt=HOSTILE)
    other = finished_run(task, agent, said=HOSTILE)
    blocked = make.task(title=HOSTILE, blocked_by=[make.task(title=HOSTILE, project=project)], project=project)
    document = Deliverable.objects.get()
    paths = [
        *(f"/tasks/{task.pk}{end}" for end in ("", "/parts", "/delete")),
        f"/tasks/{task.pk}/compare?run={run.pk}&run={other.pk}",
        f"/tasks/{blocked.pk}",
        *(f"/runs/{run.pk}/{end}" for end in ("output", "prompt")),
        *(f"/documents/{document.pk}{end}" for end in ("", "/v1", "/v1-v2")),
    ]
    documents.change(document, content=f"{HOSTILE}\nmore")
    for path in paths:
        page = html(browser, path)
        assert "alert(1)" in page, path
        assert "<script>" not in page, path
        assert "<img" not in page, path


def test_the_raw_log_is_a_text_file_of_all_events(browser):
    run = finished_run(make.task(), said="<b>said</b>")
    answer = browser.get(f"/runs/{run.pk}/log")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"].startswith('attachment; filename="run-1-')


def test_the_raw_log_has_every_event(browser):
    run = finished_run(make.task(), said="<b>said</b>")
    # The stream is asynchronous: read it as the server does.
    log = async_to_sync(_joined)(browser.get(f"/runs/{run.pk}/log"))
    assert re.findall(r"^#(\d+) ", log, re.MULTILINE) == ["1", "2", "3"]
    assert "<b>said</b>" in log


async def _joined(answer) -> str:
    return b"".join([piece async for piece in answer]).decode()


def test_the_prompt_is_shown_word_for_word(browser):
    run = finished_run(make.task())
    Run.objects.filter(pk=run.pk).update(prompt="# Task\n\n  Do *it* <now>")
    assert "# Task\n\n  Do *it* &lt;now&gt;" in html(browser, f"/runs/{run.pk}/prompt")


def test_two_runs_are_shown_side_by_side_the_older_one_first(browser):
    task = make.task()
    first, second = finished_run(task, said="first try"), finished_run(task, said="second try")
    page = html(browser, f"/tasks/{task.pk}/compare?run={second.pk}&run={first.pk}")
    assert page.index("first try") < page.index("second try")
    foreign = finished_run(make.task())
    for query in (
        "",
        f"?run={first.pk}",
        f"?run={first.pk}&run={first.pk}",
        f"?run={first.pk}&run={foreign.pk}",
        "?run=x",
    ):
        assert browser.get(f"/tasks/{task.pk}/compare{query}").status_code == 302


# ---------------------------------------------------------------- history, documents, thread
def test_the_history_tells_duration_tokens_and_cost(browser):
    task = make.task()
    finished_run(task, usage={"input_tokens": 18_412, "output_tokens": 999, "cost_usd": 0.244, "model": None})
    finished_run(task, outcome=Run.Status.ERROR, error="The key is missing")
    runs = text_of(part(page_of(browser, task), "runs"))
    assert "18.4k 999 $0.24" in runs
    assert "Failed The key is missing" in runs
    bar = text_of(part(page_of(browser, task), "run-bar"))
    assert "Attempt 2 failed" in bar
    assert "Retry" in bar


def test_documents_have_versions_and_their_difference(browser):
    task = make.task()
    finished_run(task, said="One\nTwo\n")
    finished_run(task, said="One\nThree\n")
    [document] = Deliverable.objects.all()
    shown = part(page_of(browser, task), "documents")
    assert "v2, latest" in shown
    assert f"/documents/{document.pk}/v1-v2" in shown
    difference = html(browser, f"/documents/{document.pk}/v1-v2")
    assert "<del>Two</del><ins>Three</ins>" in difference
    assert "<span>One</span>" in difference
    assert "Two" in html(browser, f"/documents/{document.pk}/v1")
    assert "version 1" in text_of(html(browser, f"/documents/{document.pk}?version=1"))
    assert browser.get(f"/documents/{document.pk}/v2/file").content == b"One\nThree\n"
    assert browser.get(f"/documents/{document.pk}/v3").status_code == 404
    row = browser.get(f"/documents/{document.pk}?version=1", **SCRIPT).content.decode()
    assert row.count('class="doc"') == 1
    assert "Preview v1" in text_of(row)


def test_the_thread_marks_mentions_and_says_who_spoke(browser):
    task = make.task()
    answer = post(browser, task, "messages", content="Please look, @quill: **now**\r\nthanks")
    assert answer.status_code == 200
    message = Message.objects.get()
    assert (message.content, message.mentions) == ("Please look, @quill: **now**\nthanks", ["quill"])
    thread = part(answer.content.decode(), "thread")
    assert '<span class="mention">@quill</span>' in thread
    assert "<strong>now</strong>" in thread
    assert post(browser, task, "messages", content="  ").status_code == 400


def test_names_of_agents_and_people_are_offered_for_mentions(browser):
    make.agent(name="Ada Byron")
    offered = re.search(r'id="mention-names" value="([^"]*)"', page_of(browser, make.task()))[1].split()
    assert offered[:2] == ["all", "ada-byron"]


# ---------------------------------------------------------------- reasons why a task cannot run
def test_a_blocked_task_names_what_it_needs_and_offers_to_run_anyway(browser):
    agent = make.agent()
    first = make.task(title="Collect notes")
    second = make.task(title="Write", blocked_by=[first])
    bar = part(page_of(browser, second), "run-bar")
    assert "Blocked by Collect notes" in text_of(bar)
    assert "Run anyway" in bar
    refused = post(browser, second, "run", agent=agent.pk)
    assert refused.status_code == 409
    notice = part(refused.content.decode(), "task-notice")
    assert "Blocked by unfinished tasks" in notice
    assert f'href="/tasks/{first.pk}"' in notice
    assert post(browser, second, "run", agent=agent.pk, ignore_dependencies="on").status_code == 200
    assert Run.objects.get().task == second


def test_at_the_limit_the_button_queues_and_a_refusal_offers_it_with_one_click(browser):
    make.limit(1)
    agent, task = make.agent(), make.task()
    make.run(make.task(), agent)
    assert "Add to queue" in part(page_of(browser, task), "run-bar")
    refused = post(browser, task, "run", agent=agent.pk)
    assert refused.status_code == 429
    notice = part(refused.content.decode(), "task-notice")
    assert "Maximum concurrent tasks (1) reached" in notice
    assert f'name="agent" value="{agent.pk}"' in notice
    assert 'name="when_full" value="queue"' in notice
    assert post(browser, task, "run", agent=agent.pk, when_full="queue").status_code == 200
    assert Run.objects.get(task=task).status == Run.Status.WAITING
    assert "Remove from queue" in page_of(browser, task)


def test_an_agent_whose_backend_lacks_something_says_what(browser):
    make.agent(name="Translator", backend="codex_cli")
    picker = part(page_of(browser, make.task()), "run-bar")
    assert re.search(r"Translator</bdi><span class=\"why\">[^<]*(codex|install)", picker)


def test_what_is_missing_stands_beside_the_button_of_the_agent_that_is_chosen(browser):
    translator = make.agent(name="Translator", backend="codex_cli")
    bar = part(page_of(browser, make.task(assignees=[translator])), "run-bar")
    assert re.search(r'<p class="why" data-why>.*?<span>[^<]*(codex|install)', bar)
    bar = part(page_of(browser, make.task(assignees=[make.agent()])), "run-bar")
    assert '<p class="why" data-why hidden>' in bar


def test_while_a_run_is_active_the_bar_says_why_no_other_agent_can_be_chosen(browser):
    make.limit(1)
    agent, running, waiting = make.agent(), make.task(), make.task()
    run = started_run(running, agent)
    make.run(waiting, agent, when_full="queue")
    assert "To switch agents" in text_of(part(page_of(browser, running), "run-bar"))
    assert "All slots are busy. It starts automatically" in text_of(part(page_of(browser, waiting), "run-bar"))
    stop(run)
    assert "Stopping" in text_of(part(page_of(browser, running), "run-bar"))
    viewer = client_of(make.user(may=["mission_control.view_task", "mission_control.view_run"]))
    assert "run-why" not in page_of(viewer, running)


def test_run_that_waits_for_a_quota_can_be_given_to_other_agents_only(browser):
    agent, task = make.agent(name="Metered"), make.task()
    parked_run(task, agent)
    bar = part(page_of(browser, task), "run-bar")
    assert "Waits for Claude until" in text_of(bar) and "Try now" in bar
    assert "Use another agent" not in bar
    other = make.agent(name="Other")
    bar = part(page_of(browser, task), "run-bar")
    assert "Use another agent" in bar
    assert f'value="{other.pk}"' in bar and f'value="{agent.pk}"' not in bar


def test_a_persons_task_a_review_and_a_board_without_agents_say_why_nothing_runs(browser):
    assert "to run this task" in " ".join(page_of(browser, make.task()).split())
    make.agent()
    assert "Human task" in page_of(browser, make.task(task_type="human"))
    assert "Nothing under review" in page_of(browser, make.task(task_type="review"))


# ---------------------------------------------------------------- the page itself
def test_nothing_is_inline_that_the_policy_forbids(browser):
    task = make.task(description="[x](https://a.example)")
    run = finished_run(task, said="| a |\n|:-:|\n| b |\n")
    finished_run(task)
    document = Deliverable.objects.get()
    paths = [f"/tasks/{task.pk}", f"/tasks/{task.pk}/parts", f"/runs/{run.pk}/prompt", f"/documents/{document.pk}"]
    for path in paths:
        page = html(browser, path)
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", page), path


def test_the_number_of_queries_does_not_grow(browser, django_assert_max_num_queries):
    project = make.project()
    task = make.task(project=project)

    def grow(number: int) -> None:
        for _ in range(number):
            agent = make.agent()
            blocker = make.task(project=project)
            tasks.change(task, assignees=[agent], blocked_by=[*task.blocked_by.all(), blocker])
            make.task(project=project, blocked_by=[task])
            comments.post(task, "said", from_agent=agent)
            finished_run(make.task(), agent)
            documents.create(title="One", content="1", task=task, author_id=str(agent.pk))
            run = make.run(task, agent, ignore_dependencies=True)
            finish(run.pk, Run.Status.STOPPED, guard=Q())

    grow(2)
    with django_assert_max_num_queries(45) as few:
        page_of(browser, task)
    grow(10)
    with django_assert_max_num_queries(45) as many:
        page_of(browser, task)
        assert len(many) <= len(few) + 1  # if some older runs are not shown, one more query counts them


def test_unknown_things_are_not_found_and_odd_queries_harmless(browser):
    task = make.task()
    run = make.run(task)
    unknown = "00000000-0000-4000-8000-000000000000"
    for path in (
        f"/tasks/{unknown}",
        f"/tasks/{unknown}/parts",
        f"/runs/{unknown}/output",
        f"/documents/{unknown}",
    ):
        assert browser.get(path).status_code == 404, path
    for query in ("run=x", f"run={unknown}", "upto=x", "upto=0", "upto=99999999999999999999", "upto=²", "run=%00"):
        assert browser.get(f"/tasks/{task.pk}?{query}").status_code == 200, query
    for query in ("after=x", "after=99999999999999999999", "after=²", "after=-1", "upto=%00"):
        assert browser.get(f"/runs/{run.pk}/output?{query}").status_code == 200, query


# ---------------------------------------------------------------- tasks without an agent
def reviewed_work(*versions: str):
    """Return a task whose runs delivered these versions, with an open review of it."""
    work = make.task(title="Write chapter two")
    review = make.task(title="Review chapter two", task_type="review", blocked_by=[work])
    for version in versions:
        finished_run(work, said=version)
    tasks.change(work, status=Task.Status.DONE)
    tasks.change(review, status=Task.Status.REVIEW)
    return work, review


def test_a_review_shows_the_newest_document_of_each_task_it_is_about_above_the_decision(browser):
    work, review = reviewed_work("first **version**", "second **version**")
    page = page_of(browser, review)
    under = part(page, "under-review")
    assert "Write chapter two" in page
    assert "second <strong>version</strong>" in page
    assert "first <strong>version" not in page
    assert 'name="version"' in page
    assert page.index("second <strong>") < page.index('value="approve"')
    for missing in ('id="output"', 'id="run-bar"', "No runs yet", "0 events"):
        assert missing not in page
    assert f"/tasks/{work.pk}" in under


def test_a_review_offers_what_changed_since_it_was_decided_last(browser):
    work, review = reviewed_work("one", "two")
    assert "v1-v2" in page_of(browser, review)
    reviews.request_changes(Task.objects.get(pk=review.pk), "Shorter", by=make.user(username="editor"))
    for text in ("three", "four"):
        finished_run(work, said=text)
    page = page_of(browser, review)
    document = Deliverable.objects.get(task=work)
    assert f"/documents/{document.pk}/v2-v4" in page
    assert "since the last review" in page
    row = (
        html(browser, f"/documents/{document.pk}?version=3&since=2")
        and browser.get(f"/documents/{document.pk}?version=3&since=2", **SCRIPT).content.decode()
    )
    assert f"/documents/{document.pk}/v2-v3" in row


def test_a_review_tells_who_may_not_read_documents_so(database):
    _, review = reviewed_work("secret **text**")
    page = page_of(client_of(make.user(may=["mission_control.view_task"])), review)
    assert "secret" not in page
    assert "Can view deliverable" in page


def test_a_task_for_a_person_has_a_large_button_and_no_output(browser):
    task = make.task(title="Ask the printer", task_type="human")
    page = page_of(browser, task)
    for missing in ('id="output"', "No runs yet", " events", "Review</h2>0"):
        assert missing not in page
    assert "Mark done" in part(page, "run-bar")
    answer = post(browser, task, "edit", status="done")
    assert answer.status_code == 200
    assert Task.objects.get(pk=task.pk).status == "done"
    assert "Mark done" not in answer.content.decode()


def test_a_task_that_an_agent_ran_before_keeps_its_output_when_a_person_takes_it(browser):
    task = make.task()
    finished_run(task, said="from the agent")
    tasks.change(task, task_type="human")
    assert "from the agent" in page_of(browser, task)


def test_a_long_description_is_folded_while_a_run_is_active(browser):
    task = make.task(description="word " * 200)
    assert "Show all" not in page_of(browser, task)
    started_run(task)
    assert "Show all" in page_of(browser, task)
    assert "Show all" not in page_of(browser, make.task(description="short"))


# ---------------------------------------------------------------- what a run uses, and why it failed
def test_active_run_shows_its_tokens_and_cost_with_the_limits_of_its_agent(browser):
    agent = make.agent(metadata={"limits": {"cost_usd": 5, "total_tokens": 50_000}})
    run = started_run(make.task(), agent)
    Run.objects.filter(pk=run.pk).update(input_tokens=12_000, output_tokens=345, cost_usd=3.59)
    page = page_of(browser, run.task)
    bar = text_of(part(page, "run-bar"))
    assert "12,345 of 50,000 tokens" in bar and "$3.59 of $5" in bar
    board = html(browser, "/")
    assert board.count("$3.59 of $5") == 2  # slot and card
    finish(run.pk, Run.Status.COMPLETED, guard=Q())
    bar = text_of(part(page_of(browser, run.task), "run-bar"))
    assert "12,345 tokens" in bar and "of $5" not in bar


def test_failed_run_says_why_in_the_run_bar_with_retry_and_a_way_to_its_agent(browser):
    agent = make.agent()
    run = finished_run(make.task(assignees=[agent]), agent, outcome=Run.Status.ERROR, error="No canvas")
    page = page_of(browser, run.task)
    bar = part(page, "run-bar")
    assert "No canvas" in bar and "Retry" in bar and f'href="/agents/{agent.pk}"' in bar
    head = part(page, "task-head")
    assert "Failed" in head and "Blocked" not in head
    status = re.search(r"<summary.*?</summary>", part(page, "props"), re.DOTALL)[0]
    assert "Failed" in status and "Blocked" not in status


def test_run_offers_the_only_agent_and_else_the_one_that_was_started_last(browser):
    def is_chosen(task, agent) -> bool:
        return re.search(rf'value="{agent.pk}"\s*checked', page_of(browser, task)) is not None

    first = make.agent(name="First")
    task = make.task()
    assert is_chosen(task, first)
    second = make.agent(name="Second")
    assert not is_chosen(task, first) and not is_chosen(task, second)
    assert post(browser, make.task(), "run", agent=second.pk).status_code == 200
    assert is_chosen(task, second)
    assert is_chosen(make.task(assignees=[first]), first)


def test_feedback_is_required_to_request_changes_and_not_to_approve(browser):
    agent = make.agent()
    task = make.task(assignees=[agent], metadata={"requires_review": True})
    finished_run(task, agent)
    page = page_of(browser, task)
    assert re.search(r'<textarea[^>]*name="feedback"[^>]* required[^>]*data-missing="Describe', page)
    assert re.search(r'value="approve"[^>]* formnovalidate', page)
    assert not re.search(r'value="changes"[^>]* formnovalidate', page)
