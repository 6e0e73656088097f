"""The usage of runs, stored longer than the runs themselves."""

from typing import Self

from django.db import models

from agents.models import Agent
from mission_control.models.project import Project
from mission_control.models.run import MODEL_CHARS, Run
from mission_control.models.task import Task


class UsageRecord(models.Model):
    """The usage of one run that was started and has ended.

    It is kept when its run is deleted with its task or project, because the money was spent. Written once, by
    `runs/lifecycle.py`, in the transaction that ends the run. Null, or an empty model, means unknown.
    """

    run_id = models.UUIDField(primary_key=True, editable=False)  # the run may have been deleted
    finished_at = models.DateTimeField()
    agent = models.ForeignKey(Agent, null=True, on_delete=models.SET_NULL, related_name="+")
    project = models.ForeignKey(Project, null=True, on_delete=models.SET_NULL, related_name="+")
    task = models.ForeignKey(Task, null=True, on_delete=models.SET_NULL, related_name="+")
    model = models.CharField(max_length=MODEL_CHARS, blank=True)
    input_tokens = models.PositiveBigIntegerField(null=True)
    output_tokens = models.PositiveBigIntegerField(null=True)
    cost_usd = models.DecimalField(max_digits=19, decimal_places=10, null=True)

    class Meta:
        default_permissions = ()  # the permission to view runs includes their usage
        indexes = [
            # All columns of the sums, so that they are read from the index alone.
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
        """Return the unsaved record of an ended run."""
        assert run.finished_at is not None, "only ended runs are recorded"
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
