"""Refused actions on a task as its page shows them, with the next step."""

from dataclasses import dataclass, field

from mission_control.errors import LimitReached, Refusal, TaskBlocked
from mission_control.models import Task
from mission_control.runs.slots import capacity

RELATED = Task.objects.select_related("last_run").only("id", "title", "status", "project_id", "last_run__status")


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal: what was refused, why, and the next step. `offer` is "queue", "anyway" or empty."""

    title: str
    text: str = ""
    status: str = "warn"
    tasks: list[Task] = field(default_factory=list)
    offer: str = ""

    @classmethod
    def of(cls, refusal: Refusal) -> "Refused":
        if isinstance(refusal, LimitReached):
            now = capacity()
            waiting = f" Already queued: {now['waiting']}." if now["waiting"] else ""
            text = f"Queue it to start automatically when a slot frees up.{waiting}"
            return cls("All slots are busy", f"{refusal.detail}. {text}", "waiting", offer="queue")
        if isinstance(refusal, TaskBlocked):
            found = list(RELATED.filter(pk__in=refusal.body["blocked_by"])[:10])
            return cls("Blocked by unfinished tasks", "", "blocked", found, "anyway")
        return cls(refusal.detail)

    def __str__(self) -> str:
        titles = ", ".join(task.title for task in self.tasks)
        return " ".join(filter(None, [f"{self.title.rstrip('.')}.", self.text, titles]))
