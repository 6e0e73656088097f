"""On which machine a run was carried out, how many workers each has, and which setting of the limit was applied."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mission_control", "0014_installation")]

    operations = [
        migrations.AddField(
            "run",
            "host",
            models.CharField(
                blank=True,
                default="",
                help_text="The machine that ran it; empty before a claim.",
                max_length=255,
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            "workergroup",
            "workers",
            models.PositiveIntegerField(default=0, help_text="Its processes that run agents."),
        ),
        migrations.AddField(
            "capacity", "applied_setting", models.PositiveSmallIntegerField(editable=False, null=True)
        ),
    ]
