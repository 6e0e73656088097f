"""Notifications; indexes for the feed of an agent or a task and for the standup; the schedule that sees who is silent."""

import uuid

import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

MARK_OFFLINE = "mission_control.jobs.mark_offline"
TYPES = [
    ("task_created", "Task Created"),
    ("task_updated", "Task Updated"),
    ("task_assigned", "Task Assigned"),
    ("task_completed", "Task Completed"),
    ("message_sent", "Message Sent"),
    ("document_created", "Document Created"),
    ("document_updated", "Document Updated"),
    ("agent_heartbeat", "Agent Heartbeat"),
    ("agent_status_changed", "Agent Status Changed"),
    ("mention", "Mention"),
    ("run_completed", "Run Completed"),
    ("run_failed", "Run Failed"),
    ("review_needed", "Review Needed"),
    ("human_task", "Human Task"),
]


def schedule(apps: Apps, schema_editor: BaseDatabaseSchemaEditor | None) -> None:
    """Let django-q2 look every minute who has fallen silent. One that is there stays as it was set."""
    apps.get_model("django_q", "Schedule").objects.get_or_create(
        func=MARK_OFFLINE,
        defaults={"name": "Agents that fell silent", "schedule_type": "I", "minutes": 1, "repeats": -1},
    )


def unschedule(apps: Apps, schema_editor: BaseDatabaseSchemaEditor | None) -> None:
    apps.get_model("django_q", "Schedule").objects.filter(func=MARK_OFFLINE).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0001_initial"),
        ("django_q", "0018_task_success_index"),
        ("mission_control", "0003_run_status_index"),
    ]

    operations = [
        migrations.CreateModel(
            name="Notification",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("type", models.CharField(choices=TYPES, max_length=24)),
                ("content", models.TextField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("delivered_at", models.DateTimeField(blank=True, null=True)),
                ("read_at", models.DateTimeField(blank=True, null=True)),
                ("metadata", models.JSONField(blank=True, default=dict)),
                (
                    "agent",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notifications",
                        to="agents.agent",
                    ),
                ),
                (
                    "source_message",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="notifications",
                        to="mission_control.message",
                    ),
                ),
                (
                    "source_task",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="notifications",
                        to="mission_control.task",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "id"],
                "indexes": [
                    models.Index(fields=["-created_at", "id"], name="notification_newest"),
                    models.Index(fields=["agent", "-created_at", "id"], name="notification_agent_newest"),
                    models.Index(fields=["delivered_at", "-created_at", "id"], name="notification_undelivered"),
                    models.Index(fields=["read_at", "-created_at", "id"], name="notification_unread"),
                ],
            },
        ),
        migrations.AlterField(
            model_name="activity",
            name="agent",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="agents.agent",
            ),
        ),
        migrations.AlterField(
            model_name="activity",
            name="task",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="activities",
                to="mission_control.task",
            ),
        ),
        migrations.AddIndex(
            model_name="activity",
            index=models.Index(fields=["agent", "-number"], name="activity_agent_newest"),
        ),
        migrations.AddIndex(
            model_name="activity",
            index=models.Index(fields=["task", "-number"], name="activity_task_newest"),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["status", "completed_at"], name="task_status_completed"),
        ),
        migrations.RunPython(schedule, unschedule),
    ]
