"""Serializers to read and to request access tokens."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone
from rest_framework import serializers

from agents.rules import TOKEN_NAME_CHARS
from mission_control.actions.tokens import MAX_DAYS
from mission_control.api.fields import Integer, Title
from mission_control.api.serializers.reader import Reader
from mission_control.models import AccessToken


class TokenReader(Reader):
    """A token without its secret, which is not stored."""

    id = serializers.UUIDField(source="uid")
    created_at = serializers.DateTimeField(source="created")
    expires_at = serializers.DateTimeField(source="expiry", allow_null=True)
    expired = serializers.SerializerMethodField()

    class Meta:
        model = AccessToken
        fields = ["id", "name", "created_at", "expires_at", "expired"]
        read_only_fields = fields

    def get_expired(self, token: AccessToken) -> bool:
        return token.expiry is not None and token.expiry <= timezone.now()


class NewTokenReader(TokenReader):
    """A token that was just created, with its secret."""

    value = serializers.CharField(help_text="The token. Shown in this answer only.")

    class Meta(TokenReader.Meta):
        fields = [*TokenReader.Meta.fields, "value"]
        read_only_fields = fields


class TokenMade(serializers.Serializer):
    token = NewTokenReader()


class TokenCreate(serializers.Serializer):
    name = Title(max_length=TOKEN_NAME_CHARS)
    expires_in_days = Integer(
        required=False,
        allow_null=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_DAYS)],
        help_text="If null or omitted, the token does not expire.",
    )
