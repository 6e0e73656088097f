"""Serializers to read agents and backends, and to write agents."""

from rest_framework import serializers

from agents.models import Agent
from agents.rules import BACKEND_CHARS, NAME_CHARS, ROLE_CHARS, SESSION_KEY_CHARS, SPECIALTY_CHARS
from mission_control.api.fields import BackendName, BackendOptions, Choice, Data, Description, Tags, Text, Title
from mission_control.api.serializers.reader import Reader


class AgentReader(Reader):
    """An agent. Its `status` is `active` while it has a run."""

    status = serializers.ChoiceField(choices=Agent.Status.choices, source="derived_status")
    current_task_id = serializers.UUIDField(allow_null=True)
    running_count = serializers.IntegerField(min_value=0)

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
    name = Title(max_length=NAME_CHARS)
    role = Title(max_length=ROLE_CHARS)
    description = Description()
    session_key = Text(max_length=SESSION_KEY_CHARS, required=False, allow_blank=True)
    backend = BackendName(max_length=BACKEND_CHARS, required=False)
    backend_options = BackendOptions(required=False)
    status = Choice(choices=Agent.Status.choices, required=False)
    level = Choice(choices=Agent.Level.choices, required=False)
    specialties = Tags(max_chars=SPECIALTY_CHARS)
    metadata = Data(required=False)


class BackendReader(serializers.Serializer):
    name = serializers.CharField()
    display_name = serializers.CharField()
    available = serializers.BooleanField()
    reason = serializers.CharField(allow_null=True, help_text="What is missing if the backend is not available.")
    capabilities = serializers.ListField(child=serializers.CharField())
    options_schema = serializers.DictField(help_text="The JSON Schema of an agent's `backend_options`.")


class Backends(serializers.Serializer):
    backends = BackendReader(many=True)
    count = serializers.IntegerField(min_value=0)
