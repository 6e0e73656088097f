"""Take keys out of the option `model`, where they were accepted and shown."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from agents.redaction import redact_secrets


def remove_keys(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Replace each model that looks like a key; the agent's next run says that there is no such model."""
    agents = apps.get_model("agents", "Agent").objects.using(schema_editor.connection.alias)
    for agent in agents.iterator(chunk_size=500):
        options = agent.backend_options
        model = options.get("model") if isinstance(options, dict) else None
        if isinstance(model, str) and redact_secrets(model) != model:
            agents.filter(pk=agent.pk).update(backend_options={**options, "model": "[redacted]"})


class Migration(migrations.Migration):
    dependencies = [("agents", "0002_shared_rules")]
    operations = [migrations.RunPython(remove_keys, migrations.RunPython.noop)]
