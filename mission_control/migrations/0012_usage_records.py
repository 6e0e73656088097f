"""What each run took in rows that outlive it; those of the runs that have ended already are copied."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models

COPY = """
INSERT INTO mission_control_usagerecord
    (run_id, finished_at, agent_id, project_id, task_id, model, input_tokens, output_tokens, cost_usd)
SELECT id, finished_at, agent_id, project_id, task_id, model, input_tokens, output_tokens, cost_usd
FROM mission_control_run WHERE finished_at IS NOT NULL AND started_at IS NOT NULL
"""


def _to(model: str) -> Any:
    return models.ForeignKey(
        to=model, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+"
    )


class Migration(migrations.Migration):
    dependencies = [("agents", "0001_initial"), ("mission_control", "0011_card_places")]

    operations = [
        migrations.CreateModel(
            name="UsageRecord",
            fields=[
                ("run_id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("finished_at", models.DateTimeField()),
                ("agent", _to("agents.agent")),
                ("project", _to("mission_control.project")),
                ("task", _to("mission_control.task")),
                ("model", models.CharField(blank=True, max_length=200)),
                ("input_tokens", models.PositiveBigIntegerField(null=True)),
                ("output_tokens", models.PositiveBigIntegerField(null=True)),
                ("cost_usd", models.DecimalField(decimal_places=10, max_digits=19, null=True)),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        fields=[
                            *("finished_at", "agent", "project", "task", "model"),
                            *("input_tokens", "output_tokens", "cost_usd"),
                        ],
                        name="usage_sums",
                    )
                ],
            },
        ),
        migrations.RunSQL(COPY, migrations.RunSQL.noop),
    ]
