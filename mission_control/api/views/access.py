"""The user's own access tokens."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from mission_control.actions.tokens import create_token
from mission_control.api.serializers.access import TokenCreate, TokenMade, TokenReader
from mission_control.api.views.base import ObjectViews
from mission_control.errors import NotFound
from mission_control.models import AccessToken
from mission_control.text import as_uuid


class TokenViews(ObjectViews):
    """The user's own access tokens. Every user may create tokens; a token has the permissions of its user."""

    permission_classes = [IsAuthenticated]
    filter_backends = []
    noun, one, many, reader = "Token", "token", "tokens", TokenReader
    writers = {"create": TokenCreate}
    answers = {"create": TokenMade}

    def get_queryset(self) -> QuerySet[Any]:
        tokens: QuerySet[Any] = AccessToken.objects.filter(user=self.request.user.pk)
        return tokens.order_by("-created", "uid")

    def find(self, key: str) -> AccessToken:
        uid = as_uuid(key)
        found: AccessToken | None = self.get_queryset().filter(uid=uid).first() if uid else None
        if found is None:
            raise NotFound(self.noun)
        return found

    def create(self, request: Request) -> Response:
        given, user = self.given(), request.user
        assert user.is_authenticated, "a login is required"
        by = request.auth if isinstance(request.auth, AccessToken) else None
        token, value = create_token(user, name=given["name"], days=given.get("expires_in_days"), requested_with=by)
        shown = {**TokenReader(token).data, "value": value}
        return Response({"token": shown}, headers={"Cache-Control": "no-store, no-transform"})

    def retrieve(self, request: Request, pk: str) -> Response:
        return self.answer(self.find(pk))

    def destroy(self, request: Request, pk: str) -> Response:
        self.find(pk).delete()
        return self.deleted(pk)
