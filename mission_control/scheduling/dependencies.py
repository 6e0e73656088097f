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
    unresolved_counts = dict.fromkeys(keys, 0)
    blocked: dict[UUID, list[UUID]] = {key: [] for key in keys}
    for waiting, blocker in waits_for:
        if waiting in unresolved_counts and blocker in blocked:
            unresolved_counts[waiting] += 1
            blocked[blocker].append(waiting)
    level_of: dict[UUID, int] = {}
    ready = [key for key in keys if unresolved_counts[key] == 0]
    number = 0
    while ready:
        level_of |= dict.fromkeys(ready, number)
        unblocked = []
        for key in ready:
            for waiting in blocked[key]:
                unresolved_counts[waiting] -= 1
                if unresolved_counts[waiting] == 0:
                    unblocked.append(waiting)
        ready, number = unblocked, number + 1
    found: list[list[UUID]] = [[] for _ in range(number + (len(level_of) < len(keys)))]
    for key in keys:
        found[level_of.get(key, number)].append(key)
    return found


def break_cycles(edges: Edges, new: Collection[Edge]) -> list[Edge]:
    """Remove new edges until there is no cycle, and return them. The old edges alone must be free of cycles."""
    removed: list[Edge] = []
    done: set[UUID] = set()
    for start in list(edges):
        if start not in done:
            _walk(start, edges, new, done, removed)
    return removed


def _walk(start: UUID, edges: Edges, new: Collection[Edge], done: set[UUID], removed: list[Edge]) -> None:
    """Search depth-first: an edge back into the current path closes a cycle."""
    path, on_path = [(start, _blockers_of(edges, start))], {start}
    while path:
        task, ahead = path[-1]
        blocker = next(ahead, None)
        if blocker is None:
            on_path.discard(path.pop()[0])
            done.add(task)
        elif blocker in on_path:
            edge = _last_new([step for step, _ in path], blocker, new)
            edges[edge[0]].remove(edge[1])
            removed.append(edge)
            while path[-1][0] != edge[0]:  # it may start further up the path: continue from there
                on_path.discard(path.pop()[0])
        elif blocker not in done:
            path.append((blocker, _blockers_of(edges, blocker)))
            on_path.add(blocker)


def _blockers_of(edges: Edges, task: UUID) -> Iterator[UUID]:
    return iter(list(edges.get(task, ())))


def _last_new(path: list[UUID], back_to: UUID, new: Collection[Edge]) -> Edge:
    """Return the last new edge of the cycle that the path and its edge back to `back_to` form."""
    cycle = path[path.index(back_to) :]
    edges = list(zip(cycle, [*cycle[1:], back_to], strict=True))
    return next(edge for edge in reversed(edges) if edge in new)
