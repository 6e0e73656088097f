"""The agents page: its content and its actions."""

import re
from html import unescape

import pytest
from django.db.models import Q
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone

from agents.backends import registry
from agents.models import Agent
from mission_control.models import Run, RunEvent, Task
from mission_control.runs import events
from mission_control.runs.events import Draft
from mission_control.runs.lifecycle import claim, finish
from mission_control.web.agents.options import fields_of
from mission_control.web.agents.page import BackendRow, preselected
from tests import make
from tests.web.conftest import client_of
from tests.web.pages import squeezed

pytestmark = pytest.mark.usefixtures("database")

HOSTILE = '</div><script>alert(1)</script><img src=x onerror="alert(2)">'
SEES = ["agents.view_agent", "mission_control.view_run"]
FIELDS = {"name": "Quill", "role": "Writer", "level": "lead", "specialties": "prose, tone", "description": ""}


def page_of(browser, path: str = "/agents") -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, path
    return squeezed(answer.content.decode())


def text_of(markup: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def row_of(page: str, agent: Agent) -> str:
    rows = re.findall(r"<tr.*?</tr>", page, re.DOTALL)
    return text_of(next(row for row in rows if f"/agents/{agent.pk}" in row))


def ended(agent: Agent, status: str, **usage) -> None:
    run = claim(make.run(make.task(), agent).pk, worker="test/none/none/1-1")
    finish(run.pk, status, guard=Q(), error="No" if status == "error" else "", usage=usage or None)


# ---------------------------------------------------------------- permissions
def test_every_page_of_agents_needs_a_login_and_the_permission():
    agent = make.agent()
    stranger = client_of(make.user(may=["mission_control.view_task"]))
    for path in ("/agents", "/agents/new", "/agents/options?backend=demo", f"/agents/{agent.pk}"):
        assert Client().get(path).status_code == 302, path
        assert stranger.get(path).status_code == 403, path


def test_a_viewer_sees_no_button_that_would_be_refused_and_a_form_that_is_off():
    agent = make.agent()
    viewer = client_of(make.user(may=SEES))
    page = page_of(viewer, f"/agents/{agent.pk}")
    main = page[page.index('<main id="main"') : page.index("</main>")]
    assert "<button" not in main
    assert "New agent" not in main
    assert re.search(r'<fieldset class="panel-body form" disabled>', main)
    for action, body in (("", FIELDS), ("/delete", {}), ("/test/run", {})):
        assert viewer.post(f"/agents/{agent.pk}{action}", body).status_code == 403, action


# ---------------------------------------------------------------- content
def test_the_list_says_what_each_does_and_how_its_runs_went(browser):
    agent = make.agent(name="Scout")
    for _ in range(3):
        ended(agent, "completed", model="m", input_tokens=1_000, output_tokens=500, cost_usd=0.25)
    ended(agent, "error")
    ended(agent, "stopped")
    claim(make.run(make.task(title="Look around"), agent).pk, worker="test/none/none/1-1")
    make.run(make.task(), agent)
    told = row_of(page_of(browser), agent)
    assert "Active, 2 runs" in told
    assert "Look around , and 1 more" in told
    assert "75% of 4" in told
    assert "4.5k $0.75 demo" in told


def test_backends_that_nobody_uses_and_that_are_not_set_up_are_folded_away_and_not_red(browser):
    make.agent(backend="codex_cli")
    page = page_of(browser, "/agents")
    health = page[page.index('id="backends"') :]
    shown, folded = health[: health.index("<details")], health[health.index("<details") :]
    assert 'class="backend" data-status="missing"' in shown  # the backend that the agent uses
    assert "Codex CLI" in text_of(shown)
    assert "Claude Agent SDK" in text_of(folded)
    assert 'data-status="missing"' not in folded
    assert re.search(r"\d+ more backends, not set up", text_of(folded))
    assert "/help/backends/claude.md" in folded


def test_a_new_agents_form_begins_with_a_backend_that_is_ready(browser, settings):
    page = page_of(browser, "/agents/new")
    form = page[page.index('id="agent-form"') : page.index('id="backends"')]
    assert '<option value="demo" selected>' in form
    assert "Backend not set up" not in form
    ready, setup = form.split("<optgroup")[1:3]
    assert 'label="Ready"' in ready
    assert 'value="demo"' in ready
    assert 'label="Needs setup"' in setup
    assert 'value="claude_agent_sdk"' in setup
    settings.DEFAULT_BACKEND = "demo"
    assert '<option value="demo" selected>' in page_of(browser, "/agents/new")


@pytest.mark.parametrize(
    ("ready", "default", "chosen"),
    [
        (["demo", "pydantic_ai"], "claude_agent_sdk", "pydantic_ai"),
        (["demo"], "claude_agent_sdk", "demo"),
        (["claude_agent_sdk", "pydantic_ai"], "pydantic_ai", "pydantic_ai"),
        (["demo", "pydantic_ai"], "demo", "demo"),
        ([], "pydantic_ai", "pydantic_ai"),
        ([], "gone", ""),
    ],
)
def test_a_new_agent_begins_with_the_default_backend_or_the_first_that_is_ready(ready, default, chosen):
    names = ["demo", "claude_agent_sdk", "pydantic_ai"]
    rows = [BackendRow(one, one, "" if one in ready else "Install it", 0, one == default) for one in names]
    assert preselected(rows) == chosen


def test_a_backend_that_is_not_set_up_is_red_only_where_an_agent_uses_it():
    states = {
        (reason, used): BackendRow("command", "Command", reason, used, is_default=False).state.status
        for reason in ("", "Install it")
        for used in (0, 1)
    }
    assert states == {("", 0): "ok", ("", 1): "ok", ("Install it", 0): "offline", ("Install it", 1): "missing"}


def test_an_opened_agent_keeps_its_backend_also_one_that_is_not_ready(browser):
    page = page_of(browser, f"/agents/{make.agent(backend='codex_cli').pk}")
    assert '<option value="codex_cli" selected>' in page


def test_an_agent_whose_backend_misses_something_says_so_in_list_form_and_health(browser):
    agent = make.agent(name="Coder", backend="codex_cli")
    page = page_of(browser, f"/agents/{agent.pk}")
    assert "Not set up" in row_of(page, agent)
    assert "Backend not set up" in page
    health = text_of(page[page.index('id="backends"') :])
    assert "Codex CLI codex_cli Not set up" in health
    assert "Used by 1 agent" in health
    assert re.search(r'<button type="submit" class="btn btn-s"\s+disabled', page)  # the button of the test


@pytest.mark.parametrize("path", ["/agents", "/agents/connections"])
def test_pages_say_what_protects_the_machine_from_programs(browser, settings, path):
    settings.AGENT_ISOLATION = "none"
    shown = text_of(page_of(browser, path))
    assert "Programs of agents are not isolated. A program runs as" in shown
    settings.AGENT_ISOLATION = "user:no-such-user"
    assert "Programs of agents cannot run. There is no user no-such-user" in text_of(page_of(browser, path))


def test_the_health_of_backends_says_that_programs_are_not_isolated(browser, settings):
    settings.AGENT_ISOLATION = "none"
    assert "Agents' programs are not isolated, as MISSION_CONTROL_AGENT_ISOLATION=none says" in text_of(
        page_of(browser)
    )


def test_agents_are_filtered_by_name_role_and_backend(browser):
    scout, quill = make.agent(name="Scout", role="Researcher"), make.agent(name="Quill", role="Writer")
    page = page_of(browser, "/agents?q=rESEARCH")
    assert str(scout.pk) in page
    assert str(quill.pk) not in page
    assert "No agent has “zzz”" in page_of(browser, "/agents?q=zzz")
    assert "No agents yet" not in page
    assert browser.get("/agents", {"q": "a\x00b", "page": "x"}).status_code == 200


def test_the_number_of_queries_does_not_grow_with_the_agents(browser, django_assert_max_num_queries):
    def grow(number: int) -> None:
        for _ in range(number):
            ended(make.agent(), "completed")

    grow(2)
    with django_assert_max_num_queries(25) as few:
        page_of(browser)
    grow(15)
    with django_assert_max_num_queries(25) as many:
        page_of(browser)
    assert len(many) == len(few)


def test_what_agents_and_people_write_is_never_markup(browser):
    agent = make.agent(name=HOSTILE[:50], role=HOSTILE, description=HOSTILE, specialties=[HOSTILE])
    browser.post(f"/agents/{agent.pk}/test/run")
    run = claim(Run.objects.get().pk, worker="test/none/none/1-1")
    events.append(run.pk, run.claim_token, [Draft(RunEvent.Type.MESSAGE, HOSTILE)], after=run.last_seq)
    finish(run.pk, Run.Status.ERROR, error=HOSTILE, guard=Q())
    for path in ("/agents", f"/agents/{agent.pk}", f"/agents/{agent.pk}/test", f"/agents/{agent.pk}/delete"):
        page = page_of(browser, path)
        assert "alert(1)" in page, path
        assert "<script>" not in page, path
        assert "<img" not in page, path
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=", page), path


# ---------------------------------------------------------------- create, change, delete
def test_an_agent_is_made_with_the_options_of_its_backend(browser):
    answer = browser.post(
        "/agents/new", {**FIELDS, "backend": "demo", "option-chunks": "7", "option-delay_seconds": "0.5"}
    )
    agent = Agent.objects.get(name="Quill")
    assert answer["Location"] == f"/agents/{agent.pk}"
    assert agent.backend_options == {"chunks": 7, "delay_seconds": 0.5}
    assert (agent.level, agent.specialties) == ("lead", ["prose", "tone"])
    page = page_of(browser, f"/agents/{agent.pk}")
    assert re.search(r'name="option-chunks"[^>]*value="7"', page)
    browser.post(f"/agents/{agent.pk}", {**FIELDS, "backend": "demo", "option-chunks": ""})
    assert Agent.objects.get().backend_options == {}


def test_a_script_of_the_demo_is_shown_with_a_line_for_each_step():
    fields = fields_of("demo", {"script": [{"say": "Grüße"}, {"sleep": 1}]})
    shown = unescape(render_to_string("agents/_options.html", {"fields": fields}))
    assert '[\n  {"say": "Grüße"},\n  {"sleep": 1}\n]</textarea>' in shown


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"option-chunks": "many"}, "whole number"),
        ({"option-chunks": "0"}, "must be at least 1"),
        ({"option-chunks": "1e3"}, "whole number"),
        ({"option-delay_seconds": "NaN"}, "must be a number"),
        ({"name": ""}, "Name is required."),
        ({"backend": "nothing"}, "no longer exists"),
    ],
)
def test_what_does_not_fit_comes_back_beside_its_field_and_nothing_is_stored(browser, given, word):
    answer = browser.post("/agents/new", {**FIELDS, "backend": "demo", **given})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert word in text_of(page)
    assert 'aria-invalid="true"' in page
    assert 'value="Writer"' in page
    assert not Agent.objects.exists()


def test_the_form_follows_the_backend_that_is_chosen(browser):
    demo = page_of(browser, "/agents/options?backend=demo")
    other = page_of(browser, "/agents/options?backend=pydantic_ai&option-model=m:x")
    assert 'name="option-chunks"' in demo
    assert "Number of chunks to emit. 1 to 100,000. Default: 200." in text_of(demo)
    assert 'name="option-base_url"' in other
    assert re.search(r'name="option-model"[^>]*value="m:x"', other)
    assert 'name="option-chunks"' not in other
    assert browser.get("/agents/options?backend=nothing").status_code == 404


def test_the_form_names_options_as_people_write_them_and_says_where_keys_are_entered(browser, settings):
    settings.CONNECTIONS_BY_PAGE = True
    page = page_of(browser, "/agents/options?backend=claude_agent_sdk")
    assert "MCP servers" in text_of(page)
    assert "You can also enter keys and allow programs under Connections" in text_of(page)
    settings.CONNECTIONS_BY_PAGE = False
    assert "You can also enter keys" not in page_of(browser, "/agents/options?backend=claude_agent_sdk")


def test_an_agent_whose_only_run_is_parked_shows_its_task():
    agent = make.agent(name="Sub")
    run = make.run(make.task(title="Write two chapters"), agent)
    Run.objects.filter(pk=run.pk).update(status="parked", slot=None, parked_for="quota", resumes_at=timezone.now())
    assert "Parked: Write two chapters" in row_of(page_of(client_of(make.user())), agent)


def test_every_backend_has_a_form():
    for name in registry.names():
        assert fields_of(name, {}), name


def test_an_agent_is_deleted_after_a_question_and_not_while_it_runs(browser):
    agent = make.agent(name="Scout")
    run = make.run(make.task(), agent)
    assert "Can’t delete while a run is active" in page_of(browser, f"/agents/{agent.pk}")
    assert "Agent has an active run" in browser.post(f"/agents/{agent.pk}/delete", follow=True).content.decode()
    finish(run.pk, Run.Status.STOPPED, guard=Q())
    assert "Delete “" in page_of(browser, f"/agents/{agent.pk}/delete")
    assert browser.post(f"/agents/{agent.pk}/delete")["Location"] == "/agents"
    assert not Agent.objects.exists()


# ---------------------------------------------------------------- the test
def test_a_test_is_a_run_of_one_task_and_shows_what_was_answered(browser):
    agent = make.agent(name="Scout")
    browser.post(f"/agents/{agent.pk}/test/run")
    again = browser.post(f"/agents/{agent.pk}/test/run", follow=True).content.decode()
    assert "Task is already running." in again
    run = claim(Run.objects.get().pk, worker="test/none/none/1-1")
    said = [Draft(RunEvent.Type.MESSAGE, "I am **Sc"), Draft(RunEvent.Type.MESSAGE, "out**.")]
    events.append(run.pk, run.claim_token, said, after=run.last_seq)
    live = page_of(browser, f"/agents/{agent.pk}/test")
    assert f'data-run="{run.pk}"' in live
    assert "<strong>Scout</strong>" in live
    finish(run.pk, Run.Status.COMPLETED, guard=Q(), usage={"model": "m", "input_tokens": 212, "output_tokens": 31})
    page = text_of(page_of(browser, f"/agents/{agent.pk}"))
    assert re.search(r"Answered in [\d.]+ s", page)
    assert "m, 212 tokens in, 31 out" in page
    browser.post(f"/agents/{agent.pk}/test/run")
    assert Task.objects.count() == 1
    assert Run.objects.count() == 2


def test_a_test_waits_where_no_slot_is_free(browser):
    make.limit(1)
    make.run(make.task())
    agent = make.agent(name="Scout")
    page = browser.post(f"/agents/{agent.pk}/test/run", follow=True).content.decode()
    assert "The test is queued" in page
    assert "Queued." in page


def test_the_state_and_the_buttons_of_an_opened_agent_are_part_of_what_is_refreshed(browser):
    agent = make.agent()
    path = f"/agents/{agent.pk}/test"
    assert "Idle" in text_of(page_of(browser, path))
    assert f'href="/agents/{agent.pk}/delete"' in page_of(browser, path)
    make.run(by=agent)
    shown = page_of(browser, path)
    assert "Can’t delete while a run is active." in shown
    assert f'href="/agents/{agent.pk}/delete"' not in shown
    assert 'id="agent-head"' in shown and 'id="agent-hints"' in shown
