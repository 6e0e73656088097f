"""Text from agents and people is harmless on every page: no markup, no script, no terminal or direction tricks."""

import re
from html.parser import HTMLParser

import pytest
from django.db.models import Q

from mission_control.actions import comments, documents, notifications
from mission_control.models import Deliverable, Notification, Project, Run, RunEvent
from mission_control.runs.deliverables import save_output
from mission_control.runs.events import Draft
from mission_control.runs.lifecycle import finish
from mission_control.web.shared.plain_text import TRICKS
from tests import make
from tests.web.pages import finished_run, html, say, started_run

pytestmark = pytest.mark.usefixtures("database")

SHORT = '<img src=x onerror="alert(2)">\u202e\x1b[31m'  # short enough for a name
HOSTILE = (
    '</div></textarea></script><script>alert(1)</script><svg onload=alert(3)>" onfocus="alert(4)\n'
    "[see](javascript:alert(5)) <javascript:alert(6)> ![see](https://a.example/x.png) data:text/html,x\n"
    f"\x1b]8;;https://a.example\x07safe\x1b]8;;\x07 \x1b[2J\x9b31m "
    f"\u202etxt.exe\u202c \u2066isolated\u2069 {SHORT}"
)
LINE = HOSTILE.replace("\n", " ")
KINDS = [kind for kind in RunEvent.Type if kind != RunEvent.Type.STATUS]


class Tags(HTMLParser):
    """Reports each element that would act, or load something from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.complaints: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: (value or "").strip().lower() for name, value in attrs}
        leads = [given.get(name, "") for name in ("href", "src", "action", "formaction", "xlink:href")]
        if (
            tag in ("img", "iframe", "object", "style", "base")
            or (tag == "script" and "src" not in given)
            or any(name.startswith("on") or name == "style" for name in given)
            or any(lead.startswith(("javascript:", "data:", "vbscript:")) for lead in leads)
            or given.get("src", "").startswith(("http", "//"))
        ):
            self.complaints.append(self.get_starttag_text() or tag)


@pytest.fixture
def paths(database) -> list[str]:
    """Write hostile text into everything that can be written; return the pages that show it."""
    agent = make.agent(name=SHORT, role=SHORT, description=HOSTILE, specialties=[SHORT])
    project = make.project(title=LINE[:200], description=HOSTILE, tags=[SHORT], team_agents=[agent])
    task = make.task(title=LINE[:200], description=HOSTILE, project=project, assignees=[agent], tags=[SHORT])
    blocked = make.task(title=LINE[:200], blocked_by=[task], project=project, task_type="human")
    comments.post(task, HOSTILE, from_agent=agent)
    comments.post(task, HOSTILE, by=make.user(username=SHORT))
    run = started_run(task, agent)
    say(run, *(Draft(kind, HOSTILE, {"input": HOSTILE, "name": SHORT}) for kind in KINDS))
    save_output(run, HOSTILE)
    finish(run.pk, Run.Status.ERROR, error=HOSTILE, guard=Q())
    Run.objects.filter(pk=run.pk).update(prompt=HOSTILE)
    other = finished_run(task, agent, said=HOSTILE)
    document = Deliverable.objects.get()
    documents.change(document, content=f"{HOSTILE}\nmore", title=LINE[:200])
    notifications.create(Notification.Type.RUN_FAILED, HOSTILE)
    notifications.notify_review_needed(task)
    plan = make.document(content=HOSTILE, title=LINE[:200])
    Project.objects.filter(pk=project.pk).update(prd_document=plan, metadata={"planning_error": HOSTILE})
    running = make.task(title=LINE[:200], project=project, assignees=[agent])
    say(started_run(running, agent), Draft(RunEvent.Type.MESSAGE, HOSTILE))
    project.folder.mkdir(parents=True)
    name = "<img src=x>\u202etxt.exe"
    (project.folder / name).write_text(HOSTILE)
    at, page = f"/projects/{project.pk}", f"/tasks/{task.pk}"
    return [
        *("/", "/board/changed?slots=yes"),
        *("/overview", "/overview/needs", "/overview/figures", "/overview/charts"),
        *("/activity", "/notifications?show=all", "/search?q=alert", "/tasks/new", "/agents", "/projects"),
        *(f"{page}{end}" for end in ("", "/parts", "/menu", "/delete", f"/compare?run={run.pk}&run={other.pk}")),
        *(f"/tasks/{one.pk}" for one in (blocked, running)),
        *(f"/runs/{run.pk}/{end}" for end in ("output", "prompt")),
        *(f"/documents/{document.pk}{end}" for end in ("", "/v1", "/v1-v2")),
        *(f"{at}{end}" for end in ("", "/edit", "/delete", "/requirements", "/plan", "/files")),
        f"{at}/file?path={name}",
        *(f"/agents/{agent.pk}{end}" for end in ("", "/test", "/delete")),
    ]


def test_nothing_that_is_written_acts_on_any_page(browser, paths):
    for path in paths:
        tags = Tags()
        tags.feed(html(browser, path))
        assert tags.complaints == [], path


def test_nothing_that_is_written_steers_a_terminal_or_turns_text_round_on_any_page(browser, paths):
    edited = re.compile(r'<textarea\b.*?</textarea>|\bvalue="[^"]*"', re.DOTALL)
    shown = {path: edited.sub("", html(browser, path)) for path in paths}
    assert [path for path, page in shown.items() if TRICKS.search(page)] == []
    assert any("[U+202E]" in page for page in shown.values())


def test_what_is_edited_is_what_was_stored(browser, database):
    task = make.task(title="Isolated", description="\u2066left to right\u2069")
    assert "\u2066left to right\u2069" in html(browser, f"/tasks/{task.pk}")
