"""The activity feed and the notifications as pages show them: sentences with links, filtered by kind."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet
from django.urls import reverse

from mission_control.models import Activity, Notification, Project
from mission_control.models.feed import NotificationQuerySet
from mission_control.text import as_uuid
from mission_control.web.shared.plain_text import plain

SHOWN_LINES = 50
QUOTES = (("“", "”"), ("'", "'"))  # older entries have the second pair
Type, Subject = Activity.Type, Activity.Subject

# The filters of the feed: name in the URL, label, and the activity types.
KINDS: dict[str, tuple[str, list[str]]] = {
    "runs": ("Runs", [Type.AGENT_STATUS_CHANGED, Type.TASK_COMPLETED]),
    "tasks": ("Tasks", [Type.TASK_CREATED, Type.TASK_UPDATED, Type.TASK_ASSIGNED, Type.TASK_COMPLETED]),
    "messages": ("Messages", [Type.MESSAGE_SENT, Type.MENTION]),
    "documents": ("Documents", [Type.DOCUMENT_CREATED, Type.DOCUMENT_UPDATED]),
    "agents": ("Agents", [Type.AGENT_STATUS_CHANGED, Type.AGENT_HEARTBEAT]),
}
# Icon and word of a notification, as the stylesheet names them.
SHAPES: dict[str, tuple[str, str]] = {
    Notification.Type.RUN_FAILED: ("error", "Failed"),
    Notification.Type.RUN_COMPLETED: ("completed", "Completed"),
    Notification.Type.REVIEW_NEEDED: ("review", "Review"),
    Notification.Type.HUMAN_TASK: ("inbox", "Human task"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of the feed: text before the linked title, the title, text after it."""

    number: int
    at: datetime
    before: str
    title: str
    after: str
    task_id: UUID | None
    document_id: UUID | None
    project_id: UUID | None = None
    person: str = ""  # who did it, if the sentence does not name them

    @property
    def href(self) -> str:
        """Return the URL of the object in the title; empty if it has no page."""
        for name, key in (("task", self.task_id), ("document", self.document_id), ("project", self.project_id)):
            if key:
                return reverse(name, args=[key])
        return ""


@dataclass(frozen=True, slots=True)
class FeedFilters:
    """The filters of the feed, read from a URL. Unknown values are ignored."""

    kind: str
    agent: UUID | None
    before: int | None
    task: UUID | None = None

    @classmethod
    def read(cls, given: "dict[str, str]") -> "FeedFilters":
        kind, before = given.get("kind", ""), given.get("before", "")
        number = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
        return cls(kind if kind in KINDS else "", as_uuid(given.get("agent")), number, as_uuid(given.get("task")))

    def of(self, rows: QuerySet[Activity]) -> QuerySet[Activity]:
        if self.kind:
            rows = rows.filter(type__in=KINDS[self.kind][1])
        if self.agent:
            rows = rows.filter(agent=self.agent)
        if self.task:
            rows = rows.filter(task=self.task)
        return rows if self.before is None else rows.filter(number__lt=self.before)


def lines(choice: FeedFilters, *, shown: int = SHOWN_LINES) -> list[Line]:
    """Return the newest entries of the feed, one more than `shown` if there are more. Two queries."""
    found = Activity.objects.select_related("task", "document").only(
        *("number", "subject", "message", "created_at", "metadata", "project_id", "agent"),
        *("task__title", "document__title"),
    )
    found_rows = list(choice.of(found).order_by("-number")[: shown + 1])
    about = {one.number: one.project_id for one in found_rows if one.subject == Subject.PROJECT}
    projects = Project.objects.only("title").in_bulk(set(about.values()))
    return [_line(one, projects.get(about.get(one.number))) for one in found_rows]


def _line(activity: Activity, project: Project | None) -> Line:
    """Split the sentence at the title of its subject, so that the title can be a link."""
    message = plain(activity.message)
    is_document, is_project = activity.subject == Subject.DOCUMENT, activity.subject == Subject.PROJECT
    named = activity.document if is_document else project if is_project else activity.task
    title = plain(named.title) if named else ""
    before, title, after = message.partition(title) if title else (message, "", "")
    if (before[-1:], after[:1]) in QUOTES:
        before, after = before[:-1], after[1:]
    return Line(
        activity.number,
        activity.created_at,
        before,
        title,
        after,
        activity.task_id if title and not (is_document or is_project) else None,
        activity.document_id if title and is_document else None,
        project.pk if title and project else None,
        _person(activity),
    )


def _person(activity: Activity) -> str:
    """Return who did it, if the sentence does not name them; it does for a person's message or review."""
    named = activity.metadata.get("person") if isinstance(activity.metadata, dict) else None
    if activity.subject in (Subject.MESSAGE, Subject.REVIEW) and activity.agent_id is None:
        return ""
    return plain(str(named)) if named else ""


@dataclass(frozen=True, slots=True)
class NotificationRow:
    """One notification for people, with the icon and the word for its type."""

    notification: Notification
    shape: str
    word: str


def notification_rows(found: Iterable[Notification]) -> list[NotificationRow]:
    """Return notifications with their icons and words."""
    rows = []
    for notification in found:
        shape, word = SHAPES.get(notification.type, ("draft", notification.get_type_display().capitalize()))
        rows.append(NotificationRow(notification, shape, word))
    return rows


def for_people() -> NotificationQuerySet:
    """Return the notifications for people, newest first."""
    return Notification.objects.for_people().select_related("source_task").order_by("-created_at", "id")
