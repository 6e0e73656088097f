"""Serializers to read sums of the usage of runs."""

from typing import Any

from rest_framework import serializers

UNKNOWN = "Null if no run reported it."


class UsageReader(serializers.Serializer):
    """A row of sums. Of the fields before `runs`, it has only those of the requested groups."""

    day = serializers.DateField(required=False, help_text="UTC day on which the runs ended.")
    agent_id = serializers.UUIDField(required=False, allow_null=True, help_text="Null for deleted agents.")
    agent_name = serializers.CharField(required=False, allow_null=True)
    project_id = serializers.UUIDField(required=False, allow_null=True)
    project_title = serializers.CharField(required=False, allow_null=True)
    task_id = serializers.UUIDField(required=False, allow_null=True)
    task_title = serializers.CharField(required=False, allow_null=True)
    model = serializers.CharField(required=False, allow_null=True)
    runs = serializers.IntegerField(min_value=0)
    counted_runs = serializers.IntegerField(min_value=0, help_text="Runs with known tokens.")
    priced_runs = serializers.IntegerField(min_value=0, help_text="Runs with a known cost.")
    input_tokens = serializers.IntegerField(allow_null=True, min_value=0, help_text=UNKNOWN)
    output_tokens = serializers.IntegerField(allow_null=True, min_value=0, help_text=UNKNOWN)
    cost_usd = serializers.FloatField(allow_null=True, min_value=0, help_text=UNKNOWN)

    def to_representation(self, row: dict[str, Any]) -> dict[str, Any]:
        shown = super().to_representation(row)
        return {name: value for name, value in shown.items() if name in row}
