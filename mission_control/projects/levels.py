"""In which order a project's tasks can be done."""

from collections.abc import Iterable
from uuid import UUID

from mission_control.models import Project, Task


def execution_levels(project: Project, tasks: Iterable[Task]) -> list[list[UUID]]:
    """Return the ids of a project's tasks by level; within one they keep their order. One query, linear time."""
    through = Task.blocked_by.through.objects.filter(from_task__project=project, to_task__project=project)
    return levels([task.pk for task in tasks], through.values_list("from_task_id", "to_task_id"))


def levels(keys: list[UUID], waits_for: Iterable[tuple[UUID, UUID]]) -> list[list[UUID]]:
    """Return `keys` by level: the first wait for nothing, each other for one of the level before at least.

    `waits_for` has pairs (who waits, for whom); what is no key does not count. Keys that wait for each other in a
    circle, which no verb lets happen, would never be reached; they are the last level.
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
