"""Serializers of connections: programs that agents may run, and keys of providers without their values."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agents.backends.programs.presets import PRESETS
from agents.connections import KEYS
from mission_control.api.fields import Choice, Flag, Text

SOURCES = ["environment", "page", ""]


class ConnectionReader(serializers.Serializer):
    name = serializers.CharField()
    title = serializers.CharField()
    origin = serializers.ChoiceField(
        choices=SOURCES, source="source", help_text="Who connected it; empty if it is not connected."
    )
    last_four = serializers.CharField(help_text="The end of a stored key, if it is long enough.")
    updated_at = serializers.DateTimeField(allow_null=True)
    by = serializers.CharField(help_text="The user who connected it.")
    is_readable = serializers.BooleanField(help_text="False for a key encrypted with another SECRET_KEY.")


class Connections(serializers.Serializer):
    may_decide = serializers.BooleanField(help_text="False if only the environment decides here.")
    programs = ConnectionReader(many=True)
    keys = ConnectionReader(many=True)


class ProgramChange(serializers.Serializer):
    name = Choice(choices=list(PRESETS))
    allowed = Flag()


@extend_schema_field({"type": "string", "maxLength": 1_000, "pattern": r"^\s*([!-~]{8,}\s*)?$"})
class KeyText(Text):
    """A key, or nothing."""


class KeyChange(serializers.Serializer):
    variable = Choice(choices=list(KEYS))
    value = KeyText(
        max_length=1_000,
        allow_blank=True,
        style={"input_type": "password"},
        help_text="Stored encrypted and never shown. Empty: delete the stored key.",
    )
