"""The daily standup as Markdown: tasks completed in the last 24 hours, and the state of the others."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from mission_control.models import Assignment, Task
from mission_control.models.agents import with_runs

COMPLETED_WITHIN = timedelta(hours=24)
LINES_A_SECTION = 20


def standup() -> str:
    """Return the standup as Markdown: tasks completed in the last 24 hours, and the state of the others."""
    now = timezone.now()
    tasks = (
        Task.objects.select_related("last_run")
        .defer("last_run__output", "last_run__prompt")
        .prefetch_related(Prefetch("assignments", queryset=Assignment.objects.select_related("agent")))
    )
    status = Task.Status
    completed = tasks.filter(status=status.DONE, completed_at__gte=now - COMPLETED_WITHIN)
    lines = [
        f"# Daily Standup - {now:%b %d, %Y}",
        *_section("Completed", completed.order_by("-completed_at", "id"), _task_line),
        *_section("In Progress", tasks.filter(status=status.IN_PROGRESS), _task_line),
        *_section("Blocked", tasks.filter(status=status.BLOCKED), _blocked_line),
        *_section("Team Status", with_runs(), _agent_line),
    ]
    return "\n".join(lines) + "\n"


def _section(title: str, rows: QuerySet[Any], line_of: Callable[[Any], str]) -> list[str]:
    """Return a section's lines: the first rows, and the number of further ones."""
    shown = list(rows[:LINES_A_SECTION])
    lines = [f"- {line_of(row)}" for row in shown] or ["Nothing."]
    more = rows.count() - len(shown) if len(shown) == LINES_A_SECTION else 0
    return ["", f"## {title}", "", *lines, *([f"- … and {more} more"] if more > 0 else [])]


def _task_line(task: Task) -> str:
    names = ", ".join(assignment.agent.name for assignment in task.assignments.all())
    return _one_line(f"{task.title} ({names or 'unassigned'})")


def _blocked_line(task: Task) -> str:
    reason = task.last_run.error if task.last_run else ""
    return _one_line(f"{_task_line(task)}: {reason}" if reason else _task_line(task))


def _agent_line(agent: Any) -> str:
    """Describe an agent annotated by `with_runs`."""
    return _one_line(f"{agent.name} ({agent.role}): {agent.derived_status}")


def _one_line(text: str) -> str:
    """Return the text on one line, so that it cannot start lines, and so sections, of its own."""
    return " ".join(text.split())
