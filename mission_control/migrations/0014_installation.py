"""A row that says which version last changed the schema."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mission_control", "0013_end_causes")]

    operations = [
        migrations.CreateModel(
            name="Installation",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(
                        default=1, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("schema_version", models.CharField(max_length=50)),
                ("migrated_at", models.DateTimeField(auto_now=True)),
            ],
            options={"default_permissions": ()},
        ),
        migrations.AddConstraint(
            "installation", models.CheckConstraint(condition=models.Q(id=1), name="installation_is_one_row")
        ),
    ]
