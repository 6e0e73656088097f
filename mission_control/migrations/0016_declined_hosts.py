"""Which machines left a run to others because they lack what its agent needs."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mission_control", "0015_hosts")]

    operations = [
        migrations.AddField("run", "declined_hosts", models.JSONField(default=list, editable=False)),
    ]
