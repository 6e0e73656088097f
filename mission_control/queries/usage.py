"""The usage of runs: sums of tokens and cost over ended runs, computed by the database.

Runs that were deleted with their task or project are included; references to deleted objects are null.

An unknown amount is left out of a sum; if no run knows it, the sum is unknown, too. The number of runs that know
it is reported with the sums.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import Any

from django.db.models import Count, F, Model, QuerySet, Sum, UUIDField, Value
from django.db.models.functions import Coalesce, NullIf, TruncDate

from agents.models import Agent
from mission_control.formatting import dollars, full_count
from mission_control.models import Project, Task, UsageRecord


class Day(TruncDate):
    """The UTC day of a time. SQLite's own function takes a tenth of the time of Django's."""

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, Any]:
        sql, params = compiler.compile(self.lhs)
        return f"date({sql})", params


def _id(column: str) -> Coalesce:
    """Return the column, wrapped: for a bare column SQLite would scan all rows in the order of another index."""
    return Coalesce(column, column, output_field=UUIDField())


# The groups by which usage can be summed: the name for clients → the key in rows, and the expression in the query.
GROUPS = {
    "day": ("day", Day("finished_at", tzinfo=UTC)),
    "agent": ("agent_id", _id("agent_id")),
    "project": ("project_id", _id("project_id")),
    "task": ("task_id", _id("task_id")),
    "model": ("model", NullIf("model", Value(""))),
}
NAMES: dict[str, tuple[type[Model], str]] = {
    "agent": (Agent, "name"),
    "project": (Project, "title"),
    "task": (Task, "title"),
}
SUMS = {
    "runs": Count("*"),
    "counted_runs": Count(Coalesce("input_tokens", "output_tokens")),
    "priced_runs": Count("cost_usd"),
    "sum_of_input_tokens": Sum("input_tokens"),
    "sum_of_output_tokens": Sum("output_tokens"),
    "sum_of_cost_usd": Sum("cost_usd"),
}
PREFIX = re.compile("^(?:sum|key)_of_")  # an aggregate must not have the name of its column


def completed_usage() -> QuerySet[UsageRecord]:
    """Return the usage of all runs that were started and have ended."""
    return UsageRecord.objects.order_by()


def sums(runs: QuerySet[UsageRecord], *, by: Sequence[str]) -> QuerySet[Any, Any]:
    """Return the sums of each group of these runs: newest day first, then the highest cost."""
    keys = {f"key_of_{name}": expression for name, expression in (GROUPS[group] for group in by)}
    days = [F("key_of_day").desc()] if "day" in by else []
    most = [F(name).desc(nulls_last=True) for name in ("sum_of_cost_usd", "sum_of_input_tokens")]
    return runs.order_by().values(**keys).annotate(**SUMS).order_by(*days, *most, *keys)


def with_names(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of sums for clients, with the names of agents, projects and tasks: one query for each kind."""
    shown = [_row(row) for row in rows]
    for group, (model, name) in NAMES.items():
        key, _ = GROUPS[group]
        if not shown or key not in shown[0]:
            continue
        found = model._default_manager.filter(pk__in={row[key] for row in shown if row[key]})
        names = dict(found.values_list("pk", name))
        for row in shown:
            row[f"{group}_{name}"] = names.get(row[key])
    return shown


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {PREFIX.sub("", name): value for name, value in row.items()}


def summary_text(runs: QuerySet[UsageRecord]) -> str:
    """Return the total usage of these runs as a text, with one query."""
    row = _row(runs.order_by().aggregate(**SUMS))
    tokens = [
        f"{full_count(row[name])} {word}"
        for name, word in (("input_tokens", "tokens in"), ("output_tokens", "tokens out"))
        if row[name] is not None
    ]
    cost = (
        [f"{dollars(row['cost_usd'])} for {full_count(row['priced_runs'])} of them"] if row["priced_runs"] else []
    )
    return ", ".join([f"{full_count(row['runs'])} runs", *tokens, *cost])
