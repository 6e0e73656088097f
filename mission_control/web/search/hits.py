"""Search for the palette: pages, actions, and tasks, projects, agents and documents by their text."""

from dataclasses import dataclass, field

from django.contrib.auth.models import AnonymousUser, User
from django.urls import reverse

from agents.models import Agent
from agents.rules import SEARCH_CHARS
from mission_control.actions.permissions import Rights
from mission_control.models import Deliverable, Project, Question, Task
from mission_control.models.search import fold, has_text
from mission_control.web.question.cards import open_cards
from mission_control.web.shared.plain_text import plain

MAX_OF_A_KIND = 8


@dataclass(frozen=True, slots=True)
class Hit:
    """One entry of the palette. `status` selects its colour; `in_dialog` opens it in a dialog."""

    words: str
    href: str
    shape: str
    side: str = ""
    status: str = ""
    in_dialog: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Hits of one kind."""

    name: str
    hits: list[Hit] = field(default_factory=list)


def find(text: str, user: User | AnonymousUser) -> list[Group]:
    """Return the objects, pages and actions that match the text and that the user may see, in groups.

    At most one query for each kind of object.
    """
    may = Rights(user)
    wanted = text.strip()[:SEARCH_CHARS].replace("\x00", "")
    do, go = Group("Actions", _named(_actions(may), wanted)), Group("Go to", _named(_places(may), wanted))
    groups: list[Group] = []
    if may.view_run and may.view_task:
        groups.append(Group("Questions", _questions(wanted, may)))
    if may.view_task:
        groups.append(Group("Tasks", _tasks(wanted)))
    if wanted and may.view_project:
        groups.append(Group("Projects", _projects(wanted)))
    if wanted and may.view_agent:
        groups.append(Group("Agents", _agents(wanted)))
    if wanted and may.view_deliverable:
        groups.append(Group("Documents", _documents(wanted)))
    by_name = any(fold(hit.words).startswith(fold(wanted)) for hit in [*do.hits, *go.hits])
    groups = [do, go, *groups] if by_name else [*groups, do, go]
    return [group for group in groups if group.hits]


def _tasks(text: str) -> list[Hit]:
    """Return the tasks that contain the text; the newest tasks if the text is empty."""
    found = Task.objects.filter(has_text(text, "title", "description")) if text else Task.objects
    shown = found.select_related("project").only("title", "status", "project__title")[:MAX_OF_A_KIND]
    return [
        Hit(
            plain(task.title),
            reverse("task", args=[task.pk]),
            f"s-{task.status}",
            plain(task.project.title)[:40] if task.project else "",
            task.status,
        )
        for task in shown
    ]


def _questions(text: str, may: Rights) -> list[Hit]:
    """Return the open questions whose text, agent or task contains the text; all for “answer”."""
    found = Question.objects.all()
    if not fold("answer").startswith(fold(text)):
        found = found.filter(has_text(text, "text", "run__agent_name", "task__title"))
    return [
        Hit(
            f"Answer: {card.line}",
            f"{reverse('task', args=[card.question.task_id])}#questions",
            "ask",
            plain(card.agent_name)[:40],
            "asks",
        )
        for card in open_cards(found, may)[:MAX_OF_A_KIND]
        if card.question.task_id
    ]


def _projects(text: str) -> list[Hit]:
    found = Project.objects.filter(has_text(text, "title", "description")).only("title", "status")
    return [
        Hit(plain(project.title), reverse("project", args=[project.pk]), "layers", project.get_status_display())
        for project in found[:MAX_OF_A_KIND]
    ]


def _agents(text: str) -> list[Hit]:
    found = Agent.objects.filter(has_text(text, "name", "role")).only("name", "role")
    return [
        Hit(plain(agent.name), reverse("agent", args=[agent.pk]), "agent", plain(agent.role)[:40])
        for agent in found[:MAX_OF_A_KIND]
    ]


def _documents(text: str) -> list[Hit]:
    found = Deliverable.objects.filter(has_text(text, "title")).only("title", "type")
    return [
        Hit(plain(document.title), reverse("document", args=[document.pk]), "file", document.get_type_display())
        for document in found[:MAX_OF_A_KIND]
    ]


def _actions(may: Rights) -> list[Hit]:
    made = [
        (may.add_task, Hit("New task", reverse("task-new"), "plus", "N", in_dialog=True)),
        (may.add_project, Hit("New project", reverse("project-new"), "plus")),
        (may.add_deliverable, Hit("New document", reverse("document-new"), "plus")),
        (may.add_agent, Hit("New agent", reverse("agent-new"), "plus")),
    ]
    return [hit for is_shown, hit in made if is_shown]


def _places(may: Rights) -> list[Hit]:
    places = [
        (may.view_run, Hit("Overview", reverse("overview"), "chart", "G O")),
        (may.view_task, Hit("Board", reverse("board"), "board", "G B")),
        (may.view_project, Hit("Projects", reverse("projects"), "layers", "G P")),
        (may.view_deliverable, Hit("Documents", reverse("documents"), "file")),
        (may.view_agent, Hit("Agents", reverse("agents"), "agent", "G A")),
        (may.view_activity, Hit("Activity", reverse("activity"), "pulse", "G Y")),
        (may.view_notification, Hit("Notifications", reverse("notifications"), "bell", "G N")),
        (True, Hit("Account settings", reverse("account"), "key")),
        (True, Hit("Keyboard shortcuts", reverse("keys"), "keys", "?")),
    ]
    return [hit for is_shown, hit in places if is_shown]


def _named(hits: list[Hit], text: str) -> list[Hit]:
    return [hit for hit in hits if fold(text) in fold(hit.words)]
