"""Find what would make tasks wait for each other for ever."""

from collections.abc import Collection, Iterator
from uuid import UUID

Edge = tuple[UUID, UUID]  # a task, and one that it waits for
Edges = dict[UUID, list[UUID]]


def break_circles(edges: Edges, new: Collection[Edge]) -> list[Edge]:
    """Take new edges away until there is no circle; return them. The old ones alone must make none."""
    taken: list[Edge] = []
    done: set[UUID] = set()
    for start in list(edges):
        if start not in done:
            _walk(start, edges, new, done, taken)
    return taken


def _walk(start: UUID, edges: Edges, new: Collection[Edge], done: set[UUID], taken: list[Edge]) -> None:
    """Go along the edges in depth: one that leads back into the path that led here closes a circle."""
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
            while path[-1][0] != edge[0]:  # it may lie behind: the walk goes on from there
                on_path.discard(path.pop()[0])
        elif blocker not in done:
            path.append((blocker, _ahead(edges, blocker)))
            on_path.add(blocker)


def _ahead(edges: Edges, task: UUID) -> Iterator[UUID]:
    return iter(list(edges.get(task, ())))


def _last_new(path: list[UUID], back_to: UUID, new: Collection[Edge]) -> Edge:
    """Return the last new edge of the circle that the path closes by leading back to one of its tasks."""
    circle = path[path.index(back_to) :]
    edges = list(zip(circle, [*circle[1:], back_to], strict=True))
    return next(edge for edge in reversed(edges) if edge in new)
