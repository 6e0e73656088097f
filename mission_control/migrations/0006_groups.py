"""The groups Viewer, Operator and Administrator, with their permissions: made once, an administrator's from then on.

A later migration that makes a model grants its permissions itself, with `grant`.
"""

from collections.abc import Mapping, Sequence

from django.apps import apps as installed
from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

VIEW, ADD, CHANGE, DELETE = "view", "add", "change", "delete"
ALL = (VIEW, ADD, CHANGE, DELETE)

READ = {
    "agents.agent": (VIEW,),
    "mission_control.activity": (VIEW,),
    "mission_control.assignment": (VIEW,),
    "mission_control.capacity": (VIEW,),
    "mission_control.deliverable": (VIEW,),
    "mission_control.deliverableversion": (VIEW,),
    "mission_control.message": (VIEW,),
    "mission_control.notification": (VIEW,),
    "mission_control.project": (VIEW,),
    "mission_control.run": (VIEW,),
    "mission_control.runevent": (VIEW,),
    "mission_control.task": (VIEW,),
    "mission_control.workergroup": (VIEW,),
}
WORK = {
    **READ,
    "agents.agent": ALL,
    "mission_control.assignment": ALL,
    "mission_control.deliverable": ALL,
    "mission_control.message": ALL,
    "mission_control.notification": (VIEW, CHANGE),
    "mission_control.project": ALL,
    "mission_control.run": (VIEW, ADD, CHANGE),
    "mission_control.task": ALL,
}
ADMINISTER = {
    **WORK,
    "auth.group": ALL,
    "auth.user": ALL,
    "mission_control.accesstoken": (VIEW, ADD, DELETE),
    "mission_control.capacity": (VIEW, CHANGE),
}
Permissions = Mapping[str, Sequence[str]]  # app_label.model → what may be done with it
GROUPS: dict[str, Permissions] = {"Viewer": READ, "Operator": WORK, "Administrator": ADMINISTER}


def make_groups(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for name, permissions in GROUPS.items():
        grant(apps, schema_editor.connection.alias, name, permissions)


def grant(apps: Apps, database: str, group: str, permissions: Permissions) -> None:
    """Give a group permissions for the models that there are by now; make the group where it is missing.

    Django makes permissions only when all migrations are done: these are made here, by its own function.
    """
    for label in ("auth", "agents", "mission_control"):
        create_permissions(installed.get_app_config(label), verbosity=0, using=database, apps=apps)
    found, _ = apps.get_model("auth", "Group").objects.using(database).get_or_create(name=group)
    known = apps.get_model("auth", "Permission").objects.using(database)
    for model, actions in permissions.items():
        app_label, _, model_name = model.partition(".")
        names = [f"{action}_{model_name}" for action in actions]
        found.permissions.add(*known.filter(content_type__app_label=app_label, codename__in=names))


class Migration(migrations.Migration):
    dependencies = [
        ("mission_control", "0004_notifications"),
        ("agents", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    # Not taken back: by then they may have members.
    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
