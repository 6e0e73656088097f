"""Serializers to read agents and backends, and to write agents."""

from rest_framework import serializers

from agents.backends import registry
from agents.discovery.findings import Kind, State
from agents.models import Agent
from agents.rules import BACKEND_CHARS, NAME_CHARS, ROLE_CHARS, SESSION_KEY_CHARS, SPECIALTY_CHARS
from mission_control.api.fields import (
    BackendName,
    BackendOptions,
    Choice,
    Data,
    Description,
    Reference,
    Tags,
    Text,
    Title,
)
from mission_control.api.serializers.reader import Reader


class AgentReader(Reader):
    """An agent. Its `status` is `active` while it has a run."""

    status = serializers.ChoiceField(choices=Agent.Status.choices, source="derived_status")
    current_task_id = serializers.UUIDField(allow_null=True)
    running_count = serializers.IntegerField(min_value=0)
    fallback_agent_id = serializers.UUIDField(
        allow_null=True, help_text="Continues its runs while the quota of its account is used up."
    )

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
            "fallback_agent_id",
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
    fallback_agent_id = Reference(Agent.objects.all(), source="fallback_agent", required=False, allow_null=True)
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


class ServerToolReader(serializers.Serializer):
    name = serializers.CharField()
    description = serializers.CharField()


class CheckedServer(serializers.Serializer):
    name = serializers.CharField(source="server.name")
    tools = ServerToolReader(many=True)
    failure = serializers.CharField(help_text="Why it did not start; empty if it did.")


class CheckedServers(serializers.Serializer):
    servers = CheckedServer(many=True)
    count = serializers.IntegerField(min_value=0)


class ChoicesQuery(serializers.Serializer):
    """Options of an agent on which the known values depend."""

    backend = BackendName(max_length=BACKEND_CHARS, required=False, help_text="Default: the default backend.")
    command = Text(max_length=50, required=False, allow_blank=True)
    base_url = Text(max_length=500, required=False, allow_blank=True)

    def validate_backend(self, name: str) -> str:
        if name not in registry.names():
            raise serializers.ValidationError(f"Unknown backend. Available: {', '.join(registry.names())}.")
        return name


class SourceReader(serializers.Serializer):
    option = serializers.CharField()
    title = serializers.CharField(help_text="The provider, server or program.")
    number = serializers.IntegerField(min_value=0, help_text="How many values it has listed.")
    problem = serializers.CharField(help_text="Why its last answer could not be used; empty if it could.")
    checked_at = serializers.DateTimeField(allow_null=True, help_text="Null before its first answer.")
    is_checking = serializers.BooleanField()
    on_request = serializers.BooleanField(
        source="is_given", help_text="It is only asked by POST, because its address comes from the options."
    )


class ChoicesReader(serializers.Serializer):
    choices = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="The known values of each option, the suggested one first. Others may be valid too.",
    )
    sources = SourceReader(many=True)


class FindingReader(serializers.Serializer):
    key = serializers.CharField(help_text="Stays the same as long as it is found.")
    kind = serializers.ChoiceField(choices=[kind.value for kind in Kind])
    title = serializers.CharField()
    version = serializers.CharField(help_text="Empty if it is unknown.")
    state = serializers.ChoiceField(choices=[state.value for state in State])
    detail = serializers.CharField()
    advice = serializers.CharField(help_text="What to do before it can be used.")
    models = serializers.ListField(child=serializers.CharField())
    backend = serializers.CharField()
    backend_options = serializers.DictField(source="options")


class FoundAgents(serializers.Serializer):
    found = FindingReader(many=True)
    count = serializers.IntegerField(min_value=0)
    checked_at = serializers.DateTimeField(allow_null=True, help_text="Null before the first search has ended.")
    is_checking = serializers.BooleanField()


class FoundUse(serializers.Serializer):
    model = Text(max_length=200, required=False, allow_blank=True, help_text="Default: the suggested one.")


class UsedAgent(serializers.Serializer):
    agent = AgentReader()
    created = serializers.BooleanField(help_text="False if an agent used it already.")
    test_run_id = serializers.UUIDField(allow_null=True)
    test_refusal = serializers.CharField(allow_null=True, help_text="Why no test was started.")
