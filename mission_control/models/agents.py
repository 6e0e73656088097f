"""The state of agents, derived from their runs in each query and never stored."""

from django.db.models import Case, CharField, Count, F, OuterRef, QuerySet, Subquery, UUIDField, Value, When
from django.db.models.functions import Coalesce

from agents.models import Agent
from mission_control.models.run import Run


def with_runs(agents: QuerySet[Agent] | None = None) -> QuerySet[Agent]:
    """Add `running_count`, `current_task_id` and `derived_status`: active while the agent holds a run."""
    holding = Run.objects.holding().filter(agent=OuterRef("pk")).order_by()
    number = holding.values("agent").annotate(number=Count("pk")).values("number")
    # The column is never null. Ordered by the bare column, SQLite would use an index and scan all the agent's
    # runs.
    latest = Coalesce("queued_at", "queued_at").desc()
    newest = holding.filter(task__isnull=False).order_by(latest, "id").values("task_id")[:1]
    return (
        (Agent.objects.all() if agents is None else agents)
        .annotate(running_count=Coalesce(Subquery(number), 0))
        .annotate(current_task_id=Subquery(newest, output_field=UUIDField()))
        .annotate(
            derived_status=Case(
                When(running_count__gt=0, then=Value(Agent.Status.ACTIVE)),
                default=F("status"),
                output_field=CharField(),
            )
        )
    )
