"""Builders of runs with output, and helpers that read a task's page and send its forms."""

import re
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from agents.backends.base import Option, QuotaUsedUp, ToolRequest
from agents.backends.base import Question as Asked
from mission_control.models import Question, Run, RunEvent
from mission_control.runs import events, questions
from mission_control.runs.events import Draft
from mission_control.runs.lifecycle import claim, finish
from mission_control.runs.parking import park_for_quota
from tests import make

SCRIPT = {"headers": {"X-Fragment": "task"}}


def started_run(task, agent=None) -> Run:
    return claim(make.run(task, agent).pk, worker="test/none/none/1-1")


def parked_run(task, agent=None, *, account: str = "claude", minutes: int = 60) -> Run:
    """Return a run of the task that waits for the account's quota."""
    run = started_run(task, agent)
    resets_at = timezone.now() + timedelta(minutes=minutes)
    used_up = QuotaUsedUp("The limit is reached", account=account, resets_at=resets_at)
    assert park_for_quota(run, used_up, guard=Q())
    return run


def say(run: Run, *drafts: Draft) -> None:
    after = Run.objects.values_list("last_seq", flat=True).get(pk=run.pk)
    events.append(run.pk, run.claim_token, list(drafts), after=after)


def finished_run(task, agent=None, *, said: str = "", outcome=Run.Status.COMPLETED, **more) -> Run:
    run = started_run(task, agent)
    if said:
        say(run, Draft(RunEvent.Type.MESSAGE, said))
    finish(run.pk, outcome, guard=Q(), **more)
    run.refresh_from_db()
    return run


def html(browser, path) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200
    return squeezed(answer.content.decode())


LINE_ENDS = re.compile(r"<(textarea|pre)\b.*?</\1>|>\s*\n\s*|\s*\n\s*(?=<)|\s*\n\s*", re.DOTALL)


def squeezed(markup: str) -> str:
    """Return markup as one line, without the white space at the edges of elements."""

    def shorter(found: re.Match[str]) -> str:
        before_element = markup[found.end() : found.end() + 1] == "<"
        if found[1] or not (before_element or found[0].endswith("  ")):
            return found[0]  # in a text, not in a template
        return found[0].strip() if before_element or found[0].startswith(">") else " "

    return LINE_ENDS.sub(shorter, markup)


def text_of(markup: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", markup).split())


def page_of(browser, task, query: str = "") -> str:
    return html(browser, f"/tasks/{task.pk}{query}")


def post(browser, task, action: str, *, script: bool = True, **fields):
    return browser.post(f"/tasks/{task.pk}/{action}", fields, **(SCRIPT if script else {}))


def part(page: str, key: str) -> str:
    """Return the markup from the element with this id up to the next part."""
    return re.search(rf'id="{key}".*?(?=<(?:section|aside|div|ol) [^>]*id="|\Z)', page, re.DOTALL)[0]


def asked(run: Run, text: str = "Which database?", **fields) -> Question:
    """Return an open question of the run: options from (id, label) pairs, a tool from its name and input."""
    options = [Option(*pair) for pair in fields.pop("options", [])]
    tool = ToolRequest(*fields.pop("tool")) if "tool" in fields else None
    return questions.create(run, Asked(text, options=options, tool=tool, **fields), guard=Q())
