"""The board as the server renders it: columns, filters, actions of cards, new tasks, first steps."""

import re
from urllib.parse import unquote

import pytest
from django.db.models import Q

from agents.models import Agent
from mission_control.actions import tasks
from mission_control.models import Run, RunEvent, Task
from mission_control.runs import events
from mission_control.runs.events import Draft
from mission_control.runs.lifecycle import claim, finish
from mission_control.web.board.page import FIRST_CARDS, MORE_CARDS
from tests import make
from tests.web.conftest import SEES, client_of
from tests.web.pages import squeezed

pytestmark = pytest.mark.usefixtures("database")

HOSTILE = '</div><script>alert(1)</script><img src=x onerror="alert(2)">'
SCRIPT = {"HTTP_X_FRAGMENT": "1"}
Status = Task.Status


def html(client, path="/", **headers) -> str:
    answer = client.get(path, **headers)
    assert answer.status_code == 200, path
    return squeezed(answer.content.decode())


def text_of(markup: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", markup).split())


def titles_in(page: str, column: str) -> list[str]:
    part = re.search(rf'<section class="col col-{column}".*?</section>', page, re.DOTALL)[0]
    return [text_of(title) for title in re.findall(r'<h3 class="card-title">.*?</h3>', part)]


def card_of(client, task) -> str:
    return html(client, f"/board/changed?ids={task.pk}")


def started_run(task, agent=None) -> Run:
    return claim(make.run(task, agent).pk, worker="test/none/none/1-1")


def put(client, task, to: str, **headers):
    return client.post(f"/tasks/{task.pk}/move", {"to": to}, **headers)


# ---------------------------------------------------------------- columns and cards
def test_tasks_stand_in_the_column_of_their_status_newest_first(browser):
    make.task(title="Older")
    make.task(title="Newer")
    done = make.task(title="Set aside")
    tasks.skip(done)
    page = html(browser)
    assert titles_in(page, "inbox") == ["Newer", "Older"]
    assert titles_in(page, "done") == ["Set aside"]
    assert re.search(r'data-count="inbox">2<', page)


def test_a_card_tells_what_became_of_the_last_run(browser):
    task = make.task()
    run = started_run(task, make.agent(name="Scout"))
    card = text_of(card_of(browser, task))
    assert "Running" in card
    assert "Scout" in card
    finish(run.pk, Run.Status.ERROR, error="The provider refused", guard=Q())
    assert "Failed: The provider refused" in text_of(card_of(browser, task))


def test_a_running_card_and_its_slot_show_the_latest_line(browser):
    run = started_run(make.task(title="Speaks"))
    drafts = [Draft(RunEvent.Type.MESSAGE, part) for part in ("First line\nsecond", " line\x1b[31m", " here")]
    events.append(run.pk, run.claim_token, drafts, after=Run.objects.get(pk=run.pk).last_seq)
    assert text_of(card_of(browser, run.task)).count("second line here") == 1
    assert "second line here" in text_of(html(browser, "/board/changed?slots=yes"))


def test_a_card_that_waits_for_a_slot_says_which_place_it_has(browser):
    make.limit(1)
    agent = make.agent()
    make.run(make.task(title="Runs"), agent)
    urgent = make.task(title="Urgent", priority="urgent")
    first = make.task(title="First")
    make.run(first, agent, when_full="queue")
    make.run(urgent, agent, when_full="queue")
    assert "Queued, 1 of 2" in text_of(card_of(browser, urgent))
    assert "Queued, 2 of 2" in text_of(card_of(browser, first))
    slots = text_of(html(browser, "/board/changed?slots=yes"))
    assert "1 of 1 busy, 2 queued" in slots
    assert slots.index("Urgent") < slots.index("First")


def test_a_blocked_card_names_what_it_needs_and_its_menu_does_not_run_it(browser):
    first = make.task(title="Collect notes")
    second = make.task(title="Write", blocked_by=[first], assignees=[make.agent()])
    assert "Blocked by Collect notes" in text_of(card_of(browser, second))
    menu = html(browser, f"/tasks/{second.pk}/menu")
    assert "Blocked by Collect notes" in text_of(menu)
    assert 'value="in_progress"' not in menu
    Task.objects.filter(pk=first.pk).update(status=Status.DONE)
    assert 'value="in_progress"' in html(browser, f"/tasks/{second.pk}/menu")


def test_a_card_without_an_agent_offers_no_run_that_would_be_refused(browser):
    task = make.task(title="Nobody has it")
    assert "in_progress" not in re.search(r'data-to="([^"]*)"', card_of(browser, task))[1]
    menu = html(browser, f"/tasks/{task.pk}/menu")
    assert 'value="in_progress"' not in menu
    assert "Run with…" in menu  # a link to the task, where an agent can be chosen
    tasks.change(task, assignees=[make.agent()])
    assert "in_progress" in re.search(r'data-to="([^"]*)"', card_of(browser, task))[1]
    assert 'value="in_progress"' in html(browser, f"/tasks/{task.pk}/menu")


def test_the_bar_counts_slots_and_says_when_none_is_free(browser):
    make.limit(2)
    agent = make.agent()
    make.run(make.task(), agent)
    page = html(browser, "/keys")
    assert "1 of 2" in text_of(page)
    assert "data-full" not in page
    make.run(make.task(), agent)
    make.run(make.task(), agent, when_full="queue")
    page = html(browser, "/keys")
    assert "2 of 2 · 1 queued" in text_of(page)
    assert "data-full" in page


def test_what_people_and_agents_write_is_never_markup_nor_turns_text_round(browser):
    agent = make.agent(name=HOSTILE[:50])
    project = make.project(title=HOSTILE)
    task = make.task(title=HOSTILE, project=project, assignees=[agent], tags=[HOSTILE[:50]])
    run = started_run(task, agent)
    events.append(run.pk, run.claim_token, [Draft(RunEvent.Type.MESSAGE, HOSTILE)], after=1)
    make.task(title="ends \u202etxt.exe", blocked_by=[task], project=project)
    slots, menu = "/board/changed?slots=yes", f"/tasks/{task.pk}/menu"
    for path in ("/", slots, menu, "/search?q=alert", "/activity", "/tasks/new"):
        page = html(browser, path)
        assert "alert(1)" in page, path
        assert "<script>" not in page, path
        assert "<img" not in page, path
        assert "\u202e" not in page, path


# ---------------------------------------------------------------- filters
def test_the_board_is_filtered_by_text_project_agent_tag_and_priority(browser):
    agent, project = make.agent(), make.project()
    wanted = make.task(
        title="Wanted",
        description="with a needle",
        project=project,
        assignees=[agent],
        tags=["ocr"],
        priority="high",
    )
    make.task(title="Other")
    for query in ("q=NEEDLE", f"project={project.pk}", f"agent={agent.pk}", "tag=ocr", "priority=high"):
        page = html(browser, f"/?{query}")
        assert titles_in(page, "assigned") == ["Wanted"], query
        assert titles_in(page, "inbox") == [], query
        assert str(wanted.pk) in html(browser, f"/board/changed?ids={wanted.pk}&{query}")
    assert str(wanted.pk) not in html(browser, f"/board/changed?ids={wanted.pk}&q=nothing")


@pytest.mark.parametrize(
    "query", ["project=x", "agent=%00", "q=%00", "priority=x", "shown=99999999999", "shown=x"]
)
def test_a_filter_that_means_nothing_is_harmless(browser, query):
    make.task(title="Here")
    assert titles_in(html(browser, f"/?{query}"), "inbox") == ["Here"]


def test_a_filter_that_nothing_matches_says_so_and_is_no_first_step(browser):
    make.task()
    page = html(browser, "/?q=nowhere")
    assert "No matching tasks" in page
    assert "First steps" not in page


def test_a_long_column_shows_its_first_cards_and_the_rest_on_demand(browser):
    Task.objects.bulk_create(Task(title=f"Task {number}") for number in range(120))
    page = html(browser)
    assert len(titles_in(page, "inbox")) == FIRST_CARDS
    assert f"{120 - FIRST_CARDS} more" in text_of(page)
    path = re.search(r'hx-get="(/board/more/inbox[^"]*)"', page)[1]
    more = html(browser, path)
    assert more.count('class="card"') == MORE_CARDS
    assert f"{120 - FIRST_CARDS - MORE_CARDS} more" in text_of(more)
    more = html(browser, re.search(r'hx-get="([^"]*)"', more)[1])
    last = html(browser, re.search(r'hx-get="([^"]*)"', more)[1])
    assert last.count('class="card"') == 120 - FIRST_CARDS - 2 * MORE_CARDS
    assert "left" not in text_of(last)
    assert len(titles_in(html(browser, "/?shown=500"), "inbox")) == 120
    assert browser.get("/board/more/nonsense").status_code == 404


def test_the_number_of_queries_does_not_grow_with_the_tasks(browser, django_assert_max_num_queries):
    agents = [make.agent() for _ in range(3)]
    project = make.project()

    def grow(number: int) -> None:
        for _ in range(number):
            free = make.task(project=project, assignees=agents)
            make.task(project=project, assignees=agents, blocked_by=[free])
            started_run(make.task(project=project), agents[0])

    grow(1)
    with django_assert_max_num_queries(40) as few:
        html(browser)
    grow(4)
    with django_assert_max_num_queries(40) as many:
        html(browser)
    assert len(many) == len(few)


def test_every_busy_slot_is_shown_and_the_free_ones_are_counted(browser):
    make.limit(50)
    runs = [make.run(make.task(title=f"Slotted {number:02}")) for number in range(24)]
    for run in runs[:3]:
        finish(run.pk, Run.Status.STOPPED, guard=Q())
    strip = html(browser, "/board/changed?slots=yes")
    assert [f"Slotted {number:02}" in strip for number in range(24)] == [False] * 3 + [True] * 21
    assert "29 more free" in text_of(strip)
    make.limit(10)  # below the number of busy slots: all are still shown
    strip = html(browser, "/board/changed?slots=yes")
    assert strip.count('data-status="queued"') == 21
    assert "more" not in text_of(strip)


def test_with_few_busy_slots_twenty_are_shown_and_the_rest_counted(browser):
    make.limit(22)
    strip = html(browser, "/board/changed?slots=yes")
    assert strip.count("slot-free") == 21
    assert "2 more free" in text_of(strip)


# ---------------------------------------------------------------- moving
def test_a_card_is_moved_by_its_form_and_by_the_script(browser):
    task = make.task(title="Mover")
    answer = put(browser, task, Status.REVIEW)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert "Moved to Review: Mover" in html(browser)
    answer = put(browser, task, Status.DONE, **SCRIPT)
    assert answer.status_code == 204
    assert answer["X-Said"] == "Moved%20to%20Done%3A%20Mover"
    assert Task.objects.get().status == Status.DONE


def test_an_agents_task_is_put_in_progress_by_running_it(browser):
    agent = make.agent(name="Scout")
    task = make.task(title="Go", assignees=[agent])
    assert put(browser, task, Status.IN_PROGRESS, **SCRIPT)["X-Said"] == "Scout%20started%20%E2%80%9CGo%E2%80%9D"
    assert Run.objects.get().status == Run.Status.QUEUED


def test_a_card_put_in_progress_without_a_free_slot_waits(browser):
    make.limit(1)
    agent = make.agent()
    make.run(make.task(), agent)
    task = make.task(assignees=[agent])
    assert put(browser, task, Status.IN_PROGRESS, **SCRIPT)["X-Said"].startswith("Queued")
    assert Run.objects.get(task=task).status == Run.Status.WAITING


def test_a_move_that_is_refused_says_why(browser):
    agent = make.agent()
    nobody, running = make.task(title="Nobodys"), make.task(assignees=[agent])
    make.run(running, agent)
    assert put(browser, nobody, Status.IN_PROGRESS, **SCRIPT)["X-Said"].startswith("Assign%20an%20agent%20first")
    refused = put(browser, running, Status.DONE, **SCRIPT)
    assert (refused.status_code, refused["X-Said"]) == (409, "Task%20has%20an%20active%20run")
    assert put(browser, nobody, "nonsense", **SCRIPT).status_code == 400
    assert put(browser, nobody, Status.IN_PROGRESS).status_code == 302


def test_a_persons_task_is_put_in_progress_by_hand(browser):
    task = make.task(task_type="human")
    assert put(browser, task, Status.IN_PROGRESS, **SCRIPT).status_code == 204
    assert Task.objects.get().status == Status.IN_PROGRESS
    assert not Run.objects.exists()


def test_a_run_is_stopped_from_its_slot(browser):
    run = make.run(make.task(title="Stops"))
    answer = browser.post(f"/runs/{run.pk}/stop", **SCRIPT)
    assert (answer.status_code, answer["X-Said"]) == (204, "Stopped%3A%20Stops")
    assert Run.objects.get().status == Run.Status.STOPPED
    assert browser.post(f"/runs/{run.pk}/stop", **SCRIPT).status_code == 404


def test_who_may_only_look_sees_cards_without_anything_to_press(browser):
    client = client_of(make.user(may=SEES))
    agent = make.agent()
    task = make.task(assignees=[agent])
    run = make.run(make.task(), agent)
    page = html(client)
    assert 'draggable="true"' not in page
    assert "/tasks/new" not in page.split('id="palette"')[0]
    assert f"/runs/{run.pk}/stop" not in page
    assert "<form" not in html(client, f"/tasks/{task.pk}/menu")
    assert put(client, task, Status.DONE).status_code in (302, 403)
    assert put(client, task, Status.IN_PROGRESS, **SCRIPT).status_code == 403
    assert client.post(f"/runs/{run.pk}/stop").status_code == 403
    assert client.post("/tasks/new", {"title": "x"}).status_code == 403
    assert Task.objects.get(pk=task.pk).status == Status.ASSIGNED


# ---------------------------------------------------------------- a new task
def test_a_task_is_made_from_the_page_and_from_the_dialog(browser):
    agent, project = make.agent(), make.project()
    fields = {"title": "Made", "description": "So", "agent": agent.pk, "project": project.pk, "tags": "a, #b,a"}
    answer = browser.post("/tasks/new", {**fields, "priority": "urgent", "due_date": "2031-05-06"})
    made = Task.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/tasks/{made.pk}")
    assert (made.tags, made.priority, made.project, made.assignee_ids) == (
        ["a", "b"],
        "urgent",
        project,
        [agent.pk],
    )
    assert f"{made.due_date:%Y-%m-%d}" == "2031-05-06"
    assert browser.post("/tasks/new", fields, **SCRIPT).status_code == 204


def test_a_new_task_can_run_at_once(browser):
    agent = make.agent(name="Scout")
    browser.post("/tasks/new", {"title": "Now", "agent": agent.pk, "then": "run"}, **SCRIPT)
    assert Run.objects.get().agent == agent


def test_a_task_that_is_made_and_not_started_is_told_as_made_so_that_nobody_sends_it_again(browser):
    agent, project = make.agent(name="Scout"), make.project(status="executing")
    form = {"agent": agent.pk, "then": "run"}
    answer = browser.post("/tasks/new", {**form, "title": "Mine", "task_type": "human"}, **SCRIPT)
    assert answer.status_code == 204
    assert unquote(answer["X-Said"]).startswith(
        "Created, but not started: Mine. Agents do not run tasks of type human"
    )
    answer = browser.post("/tasks/new", {**form, "title": "Theirs", "project": project.pk}, **SCRIPT)
    assert (answer.status_code, unquote(answer["X-Said"])) == (204, "Started by its project: Theirs")
    assert Task.objects.count() == 2
    assert Run.objects.get().task.title == "Theirs"


def test_who_may_not_start_agents_is_told_so_in_the_form_of_a_task_that_would_start_one(database):
    may = ["mission_control.view_task", "mission_control.add_task"]
    form = {"title": "Sly", "agent": make.agent().pk, "project": make.project(status="executing").pk}
    for headers in (None, {"X-Fragment": "1"}):
        answer = client_of(make.user(may=may)).post("/tasks/new", form, headers=headers)
        assert "To start an agent, you need the “Can add run” permission." in answer.content.decode()
        assert 'value="Sly"' in answer.content.decode()
    assert not Task.objects.exists()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"title": ""}, "Title is required."),
        ({"title": "x" * 201}, "200"),
        ({"title": "a\x00b"}, "Null characters"),
        ({"title": "x", "agent": "nonsense"}, "not a valid UUID"),
        ({"title": "x", "project": "00000000-0000-4000-8000-000000000000"}, "no longer exists"),
        ({"title": "x", "tags": "t" * 51}, "At most 50 tags"),
        ({"title": "x", "due_date": "never"}, "valid date"),
    ],
)
def test_a_task_that_cannot_be_made_says_why_and_keeps_what_was_written(browser, fields, says):
    answer = browser.post("/tasks/new", {"description": "kept", **fields})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert says in page
    assert says in browser.post("/tasks/new", fields, **SCRIPT).content.decode()
    assert "kept" in page
    assert not Task.objects.exists()


# ---------------------------------------------------------------- first steps
def test_an_empty_board_leads_from_the_first_agent_to_the_first_run(browser):
    page = html(browser)
    assert page.count('class="step"') == 3
    assert "Create an agent" in page
    browser.post("/first/agent", {"name": "first-agent", "backend": "demo"})
    agent = Agent.objects.get()
    page = html(browser)
    assert "Done: first-agent" in text_of(page)
    assert f'name="agent" value="{agent.pk}"' in page
    browser.post("/tasks/new", {"title": "Say hello", "agent": agent.pk})
    page = html(browser)
    assert "No runs yet." in page
    assert put(browser, Task.objects.get(), Status.IN_PROGRESS).status_code == 302
    assert "No runs yet." not in html(browser)


def test_the_sample_project_is_at_hand(browser):
    assert "/first/sample" in html(browser)
    assert browser.post("/first/sample").status_code == 302
    assert "Collect notes for the page" in html(browser)


def test_the_first_steps_of_who_may_only_look_say_whom_to_ask():
    page = html(client_of(make.user(may=SEES)))
    assert "Can add agent" in page
    assert "Can add task" in page
    assert "/first/agent" not in page
    assert "/first/sample" not in page


def test_unknown_things_are_not_found(browser):
    unknown = "00000000-0000-4000-8000-000000000000"
    assert browser.get(f"/tasks/{unknown}/menu").status_code == 404
    assert put(browser, Task(pk=unknown), Status.DONE).status_code == 404
    assert browser.post(f"/runs/{unknown}/stop").status_code == 404
    assert browser.get(f"/board/changed?ids={unknown},nonsense").status_code == 200
