from rest_framework import serializers

from agents.models import Agent
from mission_control.api.fields import Choice, Data, Description, Tags, Text, Title

SPECIALTY_CHARS = 100


class AgentReader(serializers.ModelSerializer):
    """Of an agent that `with_runs` annotated."""

    status = serializers.CharField(source="derived_status")
    current_task_id = serializers.UUIDField()
    running_count = serializers.IntegerField()

    class Meta:
        model = Agent
        fields = [
            "id",
            "name",
            "role",
            "description",
            "session_key",
            "backend",
            "backend_options",
            "status",
            "level",
            "current_task_id",
            "running_count",
            "specialties",
            "last_heartbeat",
            "created_at",
            "updated_at",
            "metadata",
        ]
        read_only_fields = fields


class AgentWriter(serializers.Serializer):
    name = Title(max_length=50)
    role = Title(max_length=100)
    description = Description()
    session_key = Text(max_length=100, required=False, allow_blank=True)
    backend = Text(max_length=50, required=False)
    backend_options = Data(required=False)
    status = Choice(choices=Agent.Status.choices, required=False)
    level = Choice(choices=Agent.Level.choices, required=False)
    specialties = Tags(max_chars=SPECIALTY_CHARS)
    metadata = Data(required=False)
