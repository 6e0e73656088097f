"""Who may read reviews; the schedule that reminds of them; an open one for each task that already waits for it."""

from importlib import import_module

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

REMIND = "mission_control.jobs.remind_reviews"
MINUTES = 5  # between two looks; how long a review may wait is a setting
MAY = {"mission_control.review": ("view",)}
groups = import_module("mission_control.migrations.0006_groups")


def schedule(apps: Apps, schema_editor: BaseDatabaseSchemaEditor | None) -> None:
    """Let django-q2 look what waits undecided. One that is there stays as it was set."""
    apps.get_model("django_q", "Schedule").objects.get_or_create(
        func=REMIND,
        defaults={"name": "Reviews that wait", "schedule_type": "I", "minutes": MINUTES, "repeats": -1},
    )


def unschedule(apps: Apps, schema_editor: BaseDatabaseSchemaEditor | None) -> None:
    apps.get_model("django_q", "Schedule").objects.filter(func=REMIND).delete()


def let_read(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Grant it to the groups that there are: one that an administrator deleted stays so."""
    database = schema_editor.connection.alias
    there = apps.get_model("auth", "Group").objects.using(database).filter(name__in=groups.GROUPS)
    for name in there.values_list("name", flat=True):
        groups.grant(apps, database, name, MAY)


def open_reviews(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Give the tasks that went to review before there were reviews an open one."""
    review = apps.get_model("mission_control", "Review")
    waiting = apps.get_model("mission_control", "Task").objects.filter(status="review", reviews__isnull=True)
    for key, run_id in waiting.values_list("pk", "last_run_id"):
        review.objects.create(task_id=key, run_id=run_id)


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("django_q", "0018_task_success_index"),
        ("mission_control", "0008_lists_from_indexes"),
    ]

    operations = [
        migrations.RunPython(let_read, migrations.RunPython.noop),
        migrations.RunPython(schedule, unschedule),
        migrations.RunPython(open_reviews, migrations.RunPython.noop),
    ]
