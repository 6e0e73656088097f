"""Say of each activity what it is about, in a column: until now its type and metadata told."""

from typing import Any

from django.db import migrations, models

BY_TYPE = {
    "message": ["message_sent", "mention"],
    "document": ["document_created", "document_updated"],
    "agent": ["agent_heartbeat", "agent_status_changed"],
}
BY_METADATA = {"review": "review", "run_id": "run", "project": "project"}  # the last that is named counts


def fill(apps: Any, _editor: Any) -> None:
    activities = apps.get_model("mission_control", "Activity").objects
    for subject, types in BY_TYPE.items():
        activities.filter(type__in=types).update(subject=subject)
    for name, subject in BY_METADATA.items():
        activities.filter(metadata__has_key=name).update(subject=subject)


class Migration(migrations.Migration):
    dependencies = [("mission_control", "0021_plainer_help_texts")]

    operations = [
        migrations.AddField(
            "activity",
            "subject",
            models.CharField(
                choices=[
                    ("task", "Task"),
                    ("run", "Run"),
                    ("review", "Review"),
                    ("message", "Message"),
                    ("document", "Document"),
                    ("project", "Project"),
                    ("agent", "Agent"),
                ],
                default="task",
                max_length=8,
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
