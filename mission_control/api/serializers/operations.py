"""Serializers of the probes' answers."""

from rest_framework import serializers


class Liveness(serializers.Serializer):
    status = serializers.ChoiceField(choices=["ok"])
    version = serializers.CharField()


class Readiness(serializers.Serializer):
    """Each part is `ok`, or says why it is not."""

    status = serializers.ChoiceField(choices=["ok", "unavailable"])
    database = serializers.CharField()
    channel_layer = serializers.CharField()
    worker = serializers.CharField()
    disk = serializers.CharField()
    migrations = serializers.CharField(help_text="Whether the database has the schema of this version.")
    version = serializers.CharField()
