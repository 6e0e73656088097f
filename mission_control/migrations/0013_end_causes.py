"""Why a run ended, and which activities tell of an edit, as columns; of older rows as far as their texts say it."""

from typing import Any

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Q

CAUSES = [
    ("completed", "Completed"),
    ("failed", "Failed"),
    ("stopped", "Stopped"),
    ("paused", "Paused"),
    ("interrupted", "Interrupted"),
    ("worker_lost", "Worker Lost"),
    ("database_lost", "Database Lost"),
    ("timeout", "Timeout"),
    ("idle", "Idle"),
    ("output_limit", "Output Limit"),
    ("token_limit", "Token Limit"),
    ("cost_limit", "Cost Limit"),
    ("cancelled", "Cancelled"),
    ("quota", "Quota"),
    ("checks_failed", "Checks Failed"),
]
PAUSED, SHUT_DOWN, SKIPPED = "The project was paused", "Mission Control was shut down", "The task was skipped"
DATABASE_LOST = "The worker lost its database"
OUTAGE = r"^Unexpected failure: (OperationalError|InterfaceError)"
# What ended a run, by its texts: the first that matches.
ENDS: list[tuple[str, Q]] = [
    ("completed", Q(status="completed")),
    ("paused", Q(status="stopped") & (Q(error=PAUSED) | Q(stop_reason=PAUSED))),
    ("interrupted", Q(error=SHUT_DOWN) | Q(stop_reason=SHUT_DOWN)),
    ("cancelled", Q(status="stopped", error=SKIPPED)),
    ("stopped", Q(status="stopped")),
    ("worker_lost", Q(error="worker lost")),
    ("database_lost", Q(error__regex=OUTAGE)),
    ("timeout", Q(error__startswith="Ran longer than the limit of ")),
    ("idle", Q(error__startswith="The agent gave no sign for ")),
    ("output_limit", Q(error__startswith="The output is longer than the limit of ")),
    ("token_limit", Q(error__regex=r"^Used [0-9,]+ tokens, more than the limit of ")),
    ("cost_limit", Q(error__regex=r"^Cost \$[0-9,.]+, more than the limit of ")),
    ("failed", Q(status="error")),
]


def fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    runs: Any = apps.get_model("mission_control", "Run").objects
    ended = runs.filter(finished_at__isnull=False)
    for cause, texts in ENDS:
        ended.filter(texts, end_cause="").update(end_cause=cause)
    ended.filter(end_cause="database_lost").update(error=DATABASE_LOST)  # the text named an internal address
    asked = runs.filter(stop_requested_at__isnull=False)
    for cause, texts in (("paused", Q(stop_reason=PAUSED)), ("interrupted", Q(stop_reason=SHUT_DOWN)), ("stopped", Q())):
        asked.filter(texts, stop_cause="").update(stop_cause=cause)
    activities: Any = apps.get_model("mission_control", "Activity").objects
    edits = Q(message__startswith="Task updated: ") | Q(message__startswith="Agent updated: ")
    activities.filter(edits).update(is_edit=True)


class Migration(migrations.Migration):
    dependencies = [("mission_control", "0012_usage_records")]

    operations = [
        migrations.AddField(
            "activity",
            "is_edit",
            models.BooleanField(
                default=False,
                editable=False,
                help_text="Somebody changed fields of the task, agent or project.",
            ),
        ),
        migrations.AddField(
            "run",
            "end_cause",
            models.CharField(
                blank=True, choices=CAUSES, default="", help_text="Empty while it is active.", max_length=13
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            "run",
            "stop_cause",
            models.CharField(blank=True, choices=CAUSES, default="", max_length=13),
            preserve_default=False,
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
