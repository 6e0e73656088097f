"""The row that holds the limit, and the trigger that refuses a gap in a run's event numbers."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

NO_GAP_SQLITE = """
CREATE TRIGGER run_event_without_gap BEFORE INSERT ON mission_control_runevent
WHEN NEW.seq > 1 AND NOT EXISTS (
    SELECT 1 FROM mission_control_runevent WHERE run_id = NEW.run_id AND seq = NEW.seq - 1
)
BEGIN SELECT RAISE(ABORT, 'run_event_without_gap'); END;
"""

NO_GAP_POSTGRESQL = """
CREATE FUNCTION run_event_without_gap() RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF NEW.seq > 1 AND NOT EXISTS (
        SELECT 1 FROM mission_control_runevent WHERE run_id = NEW.run_id AND seq = NEW.seq - 1
    ) THEN
        RAISE EXCEPTION 'run_event_without_gap' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER run_event_without_gap BEFORE INSERT ON mission_control_runevent
FOR EACH ROW EXECUTE FUNCTION run_event_without_gap();
"""

DROP_POSTGRESQL = """
DROP TRIGGER run_event_without_gap ON mission_control_runevent;
DROP FUNCTION run_event_without_gap();
"""


def make_trigger(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    sql = {"sqlite": NO_GAP_SQLITE, "postgresql": NO_GAP_POSTGRESQL}[schema_editor.connection.vendor]
    schema_editor.execute(sql)


def drop_trigger(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    sql = {"sqlite": "DROP TRIGGER run_event_without_gap;", "postgresql": DROP_POSTGRESQL}
    schema_editor.execute(sql[schema_editor.connection.vendor])


def make_capacity(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    from django.conf import settings

    apps.get_model("mission_control", "Capacity").objects.create(id=1, limit=settings.MAX_CONCURRENT_TASKS)


class Migration(migrations.Migration):
    dependencies = [("mission_control", "0001_initial")]

    operations = [
        migrations.RunPython(make_trigger, drop_trigger),
        migrations.RunPython(make_capacity, migrations.RunPython.noop),
    ]
