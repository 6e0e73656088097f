"""Serializers of connections: programs that agents may run, and keys of providers without their values."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agents.backends.programs.presets import PRESETS
from agents.connections import KEYS
from agents.models import SdkInstallation
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


class SdkReader(serializers.Serializer):
    is_installed = serializers.BooleanField()
    brings_cli = serializers.BooleanField(
        help_text="An installation includes the CLI (about 390 MB), because no `claude` is installed that fits."
    )
    status = serializers.ChoiceField(
        choices=[*SdkInstallation.Status.values, ""],
        help_text="Of the newest installation; empty if there is none.",
    )
    message = serializers.CharField(help_text="What the newest installation does now, or why it failed.")
    done_bytes = serializers.IntegerField(help_text="Of the current download.")
    total_bytes = serializers.IntegerField(help_text="Of the current download; 0 if unknown.")


class Connections(serializers.Serializer):
    may_decide = serializers.BooleanField(help_text="False if only the environment decides here.")
    programs = ConnectionReader(many=True)
    keys = ConnectionReader(many=True)
    claude_sdk = SdkReader(help_text="The SDK for Claude on this machine.")


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
