"""Where people placed cards in the columns of the board, and the index that a column is read from."""

from django.db import migrations, models
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):
    dependencies = [("agents", "0001_initial"), ("mission_control", "0010_usage_columns")]

    operations = [
        migrations.AddField("task", "placed_at", models.DateTimeField(blank=True, editable=False, null=True)),
        migrations.AddField("task", "placed_as", models.UUIDField(blank=True, editable=False, null=True)),
        migrations.AddIndex(
            "task",
            models.Index(
                models.F("status"),
                Coalesce("placed_at", "updated_at").desc(),
                Coalesce("placed_as", "id"),
                models.F("id"),
                name="task_placed",
            ),
        ),
    ]
