"""What a run took in columns of its own, so that sums are SQL; and an index that holds all that these sums read."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import islice
from typing import Any

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

AT_ONCE = 500
COLUMNS = ("model", "input_tokens", "output_tokens", "cost_usd")


def to_columns(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    run: Any = apps.get_model("mission_control", "Run")
    _change(run.objects.exclude(usage={}).only("pk", "usage"), _read, COLUMNS)


def to_json(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    known = ~models.Q(model="")
    for column in ("input_tokens", "output_tokens", "cost_usd"):
        known |= models.Q(**{f"{column}__isnull": False})
    rows = apps.get_model("mission_control", "Run").objects.filter(known).only("pk", *COLUMNS)
    _change(rows, _write, ["usage"])


def _change(rows: Any, change: Callable[[Any], None], fields: Iterable[str]) -> None:
    waiting = rows.iterator(chunk_size=AT_ONCE)
    while some := list(islice(waiting, AT_ONCE)):
        for row in some:
            change(row)
        rows.model.objects.bulk_update(some, fields)


def _read(run: Any) -> None:
    usage = run.usage if isinstance(run.usage, dict) else {}
    cost = _amount(usage.get("cost_usd"), most=10**8)
    run.model = str(usage.get("model") or "")[:200]
    run.input_tokens = _amount(usage.get("input_tokens"), most=10**15)
    run.output_tokens = _amount(usage.get("output_tokens"), most=10**15)
    run.cost_usd = None if cost is None else Decimal(str(cost)).quantize(Decimal("1e-10"))


def _amount(value: Any, *, most: int) -> Any:
    return value if isinstance(value, int | float) and 0 <= value <= most else None


def _write(run: Any) -> None:
    cost = None if run.cost_usd is None else float(run.cost_usd)
    run.usage = {
        "model": run.model or None,
        "input_tokens": run.input_tokens,
        "output_tokens": run.output_tokens,
        "cost_usd": cost,
    }


class Migration(migrations.Migration):
    dependencies = [("agents", "0001_initial"), ("mission_control", "0009_review_reminders")]

    operations = [
        migrations.AddField(
            "run", "model", models.CharField(blank=True, default="", max_length=200), preserve_default=False
        ),
        migrations.AddField("run", "input_tokens", models.PositiveBigIntegerField(blank=True, null=True)),
        migrations.AddField("run", "output_tokens", models.PositiveBigIntegerField(blank=True, null=True)),
        migrations.AddField(
            "run", "cost_usd", models.DecimalField(blank=True, decimal_places=10, max_digits=19, null=True)
        ),
        migrations.RunPython(to_columns, to_json),
        migrations.RemoveField("run", "usage"),
        migrations.RemoveIndex("run", "run_finished"),
        migrations.AddIndex(
            "run",
            models.Index(
                fields=[
                    *("finished_at", "started_at", "agent", "project", "task", "model"),
                    *("input_tokens", "output_tokens", "cost_usd"),
                ],
                name="run_usage",
            ),
        ),
    ]
