"""Dependencies between tasks: the order in which tasks can be done, and cycles, which block all their tasks."""

from collections.abc import Collection, Iterable, Iterator
from uuid import UUID

from mission_control.models import Project, Task

Edge = tuple[UUID, UUID]  # a task and one of its blockers
Edges = dict[UUID, list[UUID]]


def execution_levels(project: Project, tasks: Iterable[Task]) -> list[list[UUID]]:
    """Return the ids of a project's tasks by level, in their order within each. One query, linear time."""
    through = Task.blocked_by.through.objects.filter(from_task__project=project, to_task__project=project)
    return levels([task.pk for task in tasks], through.values_list("from_task_id", "to_task_id"))


def levels(keys: list[UUID], waits_for: Iterable[tuple[UUID, UUID]]) -> list[list[UUID]]:
    """Return `keys` by level: the first level has no blockers, each other key has one in the level before it.

    `waits_for` has pairs (blocked, blocker); pairs with other keys are ignored. Keys in a cycle, which no action
    allows, form the last level.
    """
    open_ends = dict.fromkeys(keys, 0)
    held_back: dict[UUID, list[UUID]] = {key: [] for key in keys}
    for waiting, blocker in waits_for:
        if waiting in open_ends and blocker in held_back:
            open_ends[waiting] += 1
            held_back[blocker].append(waiting)
    level_of: dict[UUID, int] = {}
    ready = [key for key in keys if open_ends[key] == 0]
    number = 0
    while ready:
        level_of |= dict.fromkeys(ready, number)
        freed = []
        for key in ready:
            for waiting in held_back[key]:
                open_ends[waiting] -= 1
                if open_ends[waiting] == 0:
                    freed.append(waiting)
        ready, number = freed, number + 1
    found: list[list[UUID]] = [[] for _ in range(number + (len(level_of) < len(keys)))]
    for key in keys:
        found[level_of.get(key, number)].append(key)
    return found


def break_circles(edges: Edges, new: Collection[Edge]) -> list[Edge]:
    """Remove new edges until there is no cycle, and return them. The old edges alone must be free of cycles."""
    taken: list[Edge] = []
    done: set[UUID] = set()
    for start in list(edges):
        if start not in done:
            _walk(start, edges, new, done, taken)
    return taken


def _walk(start: UUID, edges: Edges, new: Collection[Edge], done: set[UUID], taken: list[Edge]) -> None:
    """Search depth-first: an edge back into the current path closes a cycle."""
    path, on_path = [(start, _ahead(edges, start))], {start}
    while path:
        task, ahead = path[-1]
        blocker = next(ahead, None)
        if blocker is None:
            on_path.discard(path.pop()[0])
            done.add(task)
        elif blocker in on_path:
            edge = _last_new([step for step, _ in path], blocker, new)
            edges[edge[0]].remove(edge[1])
            taken.append(edge)
            while path[-1][0] != edge[0]:  # it may start further up the path: continue from there
                on_path.discard(path.pop()[0])
        elif blocker not in done:
            path.append((blocker, _ahead(edges, blocker)))
            on_path.add(blocker)


def _ahead(edges: Edges, task: UUID) -> Iterator[UUID]:
    return iter(list(edges.get(task, ())))


def _last_new(path: list[UUID], back_to: UUID, new: Collection[Edge]) -> Edge:
    """Return the last new edge of the cycle that the path and its edge back to `back_to` form."""
    circle = path[path.index(back_to) :]
    edges = list(zip(circle, [*circle[1:], back_to], strict=True))
    return next(edge for edge in reversed(edges) if edge in new)
