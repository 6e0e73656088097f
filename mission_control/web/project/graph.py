"""A project's plan as a picture: tasks by level, each with its state, and edges between them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from mission_control.formatting import clock, seconds_since
from mission_control.models import Assignment, Project, Run, Task
from mission_control.scheduling.dependencies import levels
from mission_control.web.shared.states import State, state_of

NODE_WIDTH, NODE_HEIGHT = 256, 72  # in sixteenths of an em, as in the stylesheet
GAP_ACROSS, GAP_DOWN = 96, 16
EM = 16
EDGE_STEP = 12  # distance between the ends of two edges at one task


@dataclass(frozen=True, slots=True)
class Node:
    """One task in the picture. Beside the state it shows `note`, or `elapsed_seconds` while it runs."""

    task: Task
    state: State
    note: str
    elapsed_seconds: float | None
    needs: list[str]

    @property
    def is_live(self) -> bool:
        return self.task.last_run is not None and self.task.last_run.is_active

    @property
    def elapsed(self) -> str:
        return clock(self.elapsed_seconds)


@dataclass(frozen=True, slots=True)
class Edge:
    """A line from a task to one that waits for it, as an SVG path. `is_met`: the first task is resolved."""

    path: str
    is_met: bool


@dataclass(frozen=True, slots=True)
class Graph:
    """The picture and its size. The size in em grows with the text size, as its nodes do."""

    levels: list[list[Node]]
    edges: list[Edge]

    @property
    def width(self) -> int:
        return max(len(self.levels) * (NODE_WIDTH + GAP_ACROSS) - GAP_ACROSS, 0)

    @property
    def height(self) -> int:
        tallest = max((len(level) for level in self.levels), default=0)
        return max(tallest * (NODE_HEIGHT + GAP_DOWN) - GAP_DOWN, 0)

    @property
    def width_em(self) -> float:
        return self.width / EM

    @property
    def height_em(self) -> float:
        return self.height / EM


def plan_tasks(project: Project) -> QuerySet[Task]:
    """Return a queryset of a project's tasks, oldest first, with the data that its page shows. Three queries."""
    return (
        Task.objects.filter(project=project)
        .select_related("last_run")
        .defer("last_run__output", "last_run__prompt")
        .prefetch_related(
            Prefetch("assignments", Assignment.objects.select_related("agent")),
            Prefetch("blocked_by", Task.objects.only("pk", "title", "status").order_by("created_at", "id")),
        )
        .order_by("created_at", "id")
    )


def graph(tasks: Iterable[Task], waits: Mapping[str, str]) -> Graph:
    """Return the picture of tasks from `plan_tasks`. `waits` has the reason why a task waits, by task id."""
    by_id = {task.pk: task for task in tasks}
    pairs = [(key, blocker) for key, task in by_id.items() for blocker in task.blocker_ids if blocker in by_id]
    placed = _untangled(levels(list(by_id), pairs), by_id)
    nodes = [[_node(by_id[key], waits.get(str(key), "")) for key in level] for level in placed]
    return Graph(nodes, _edges(placed, by_id))


def _untangled(placed: list[list[UUID]], tasks: Mapping[UUID, Task]) -> list[list[UUID]]:
    """Sort each level so that tasks are near their blockers and fewer edges cross. Depends only on the plan."""
    row: dict[UUID, float] = {}
    found: list[list[UUID]] = []
    for level in placed:
        wanted = {}
        for place, key in enumerate(level):
            above = [row[blocker] for blocker in tasks[key].blocker_ids if blocker in row]
            wanted[key] = sum(above) / len(above) if above else float(place)
        found.append(sorted(level, key=lambda key: wanted[key]))
        row |= {key: float(place) for place, key in enumerate(found[-1])}
    return found


def _edges(placed: list[list[UUID]], tasks: Mapping[UUID, Task]) -> list[Edge]:
    corner = {
        key: (column * (NODE_WIDTH + GAP_ACROSS), place * (NODE_HEIGHT + GAP_DOWN))
        for column, level in enumerate(placed)
        for place, key in enumerate(level)
    }
    return [edge for level in placed for key in level for edge in _edges_to(tasks[key], corner, tasks)]


def _edges_to(task: Task, corner: Mapping[UUID, tuple[int, int]], tasks: Mapping[UUID, Task]) -> list[Edge]:
    """Return the edges that lead to a task. Their ends have the same order from top to bottom as their starts."""
    blockers = sorted((key for key in task.blocker_ids if key in corner), key=lambda key: corner[key][1])
    step = min(EDGE_STEP, (NODE_HEIGHT - EDGE_STEP) / max(len(blockers) - 1, 1))
    left, top = corner[task.pk]
    found = []
    for number, key in enumerate(blockers):
        end = top + NODE_HEIGHT / 2 + step * (number - (len(blockers) - 1) / 2)
        right, start = corner[key][0] + NODE_WIDTH, corner[key][1] + NODE_HEIGHT // 2
        middle = (right + left) / 2
        path = f"M{right} {start}C{middle:.1f} {start} {middle:.1f} {end:g} {left} {end:g}"
        found.append(Edge(path, tasks[key].is_resolved))
    return found


def _node(task: Task, waits: str) -> Node:
    run = task.last_run
    runs = run is not None and run.status == Run.Status.RUNNING and run.started_at is not None
    elapsed = seconds_since(run.started_at) if runs else None  # type: ignore[union-attr, arg-type]
    return Node(task, state_of(task), _note(task, waits), elapsed, [one.title for one in task.blocked_by.all()])


def _note(task: Task, waits: str) -> str:
    run = task.last_run
    if run is not None and run.status == Run.Status.QUEUED:
        return f"slot {run.slot}"
    if task.status == Task.Status.DONE:
        return clock(run.duration_seconds) if run else "completed manually"
    open_ends = sum(not blocker.is_resolved for blocker in task.blocked_by.all())
    if open_ends and task.status != Task.Status.SKIPPED:
        return f"blocked by {open_ends} task{'s' if open_ends > 1 else ''}"
    return waits


def shares(tasks: Iterable[Task]) -> list[dict[str, Any]]:
    """Return the parts of the progress bar in order, each with its number of tasks, without empty parts."""
    parts = {
        "done": ("Done", "s-done", "green"),
        "skipped": ("Skipped", "s-skipped", "grey"),
        "running": ("Running", "r-running", "blue"),
        "review": ("Needs review", "s-review", "violet"),
        "blocked": ("Blocked", "s-blocked", "orange"),
        "assigned": ("Human task", "user", "none"),
        "inbox": ("Not started", "s-inbox", "none"),
    }
    counted = dict.fromkeys(parts, 0)
    for task in tasks:
        counted[_part(task)] += 1
    total, start, found = sum(counted.values()), 0.0, []
    for name, (word, icon, colour) in parts.items():
        if number := counted[name]:
            share = number / total * 100
            found.append(
                {
                    "status": name,
                    "word": word,
                    "icon": icon,
                    "number": number,
                    "colour": colour,
                    "x": f"{start:.2f}%",
                    "width": f"{max(share - 0.35, 0.3):.2f}%",
                }
            )
            start += share
    return found


def _part(task: Task) -> str:
    status = task.status
    if status in (*Task.RESOLVED, Task.Status.REVIEW, Task.Status.BLOCKED):
        return str(status)
    if status == Task.Status.IN_PROGRESS:
        return "running"
    return "assigned" if task.task_type == Task.Type.HUMAN else "inbox"
