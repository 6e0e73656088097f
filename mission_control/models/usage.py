"""What runs took, kept for longer than the runs."""

from typing import Self

from django.db import models

from agents.models import Agent
from mission_control.models.project import Project
from mission_control.models.run import MODEL_CHARS, Run
from mission_control.models.task import Task


class UsageRecord(models.Model):
    """What one run took that was begun and has ended.

    It outlives its run, which goes with its task or project: money that was spent stays spent. Written once, by
    `runs/lifecycle.py`, in the transaction that ends the run. Null, and a model that is empty: not known.
    """

    run_id = models.UUIDField(primary_key=True, editable=False)  # of a run that may be gone
    finished_at = models.DateTimeField()
    agent = models.ForeignKey(Agent, null=True, on_delete=models.SET_NULL, related_name="+")
    project = models.ForeignKey(Project, null=True, on_delete=models.SET_NULL, related_name="+")
    task = models.ForeignKey(Task, null=True, on_delete=models.SET_NULL, related_name="+")
    model = models.CharField(max_length=MODEL_CHARS, blank=True)
    input_tokens = models.PositiveBigIntegerField(null=True)
    output_tokens = models.PositiveBigIntegerField(null=True)
    cost_usd = models.DecimalField(max_digits=19, decimal_places=10, null=True)

    class Meta:
        default_permissions = ()  # who may see runs may see what they took
        indexes = [
            # All that the sums read, so that they never look at the table.
            models.Index(
                fields=[
                    *("finished_at", "agent", "project", "task", "model"),
                    *("input_tokens", "output_tokens", "cost_usd"),
                ],
                name="usage_sums",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}: {self.model or 'unknown model'}"

    @classmethod
    def of(cls, run: Run) -> Self:
        """Return the record of an ended run, not yet saved."""
        assert run.finished_at is not None, "only what has ended is recorded"
        return cls(
            run_id=run.pk,
            finished_at=run.finished_at,
            agent_id=run.agent_id,
            project_id=run.project_id,
            task_id=run.task_id,
            model=run.model,
            input_tokens=run.input_tokens,
            output_tokens=run.output_tokens,
            cost_usd=run.cost_usd,
        )
