"""Connections: which programs agents may run, and the keys of providers."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from agents.models import AllowedProgram
from mission_control.actions import connections, sdk_installations
from mission_control.actions.permissions import acting_user
from mission_control.api.serializers.connections import Connections, KeyChange, ProgramChange
from mission_control.api.views.base import ObjectViews
from mission_control.errors import AlreadyInstalled, NotFound, OperatorDecides


class SuperusersOnly(BasePermission):
    """Requires a superuser."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(request.user.is_authenticated and request.user.is_superuser)


class ConnectionViews(ObjectViews):
    """Connections. A key is write-only: its value is in no answer."""

    queryset = AllowedProgram.objects.none()
    permission_classes = [SuperusersOnly]
    filter_backends = []
    noun = "Connection"
    writers = {"change_program": ProgramChange, "change_key": KeyChange}
    answers = dict.fromkeys(("show", "change_program", "change_key", "install_sdk"), Connections)
    refusals = {
        **{name: [OperatorDecides, NotFound] for name in ("change_program", "change_key")},
        "install_sdk": [OperatorDecides, AlreadyInstalled],
    }

    @extend_schema(summary="The programs that agents may run, and which keys are set. No values.")
    def show(self, request: Request) -> Response:
        return self._all(request)

    @extend_schema(summary="Let agents run a program, or take that back.")
    def change_program(self, request: Request) -> Response:
        given = self.given()
        change = connections.allow_program if given["allowed"] else connections.forbid_program
        change(given["name"], by=acting_user())
        return self._all(request)

    @extend_schema(summary="Store a key of a provider, encrypted, or delete it.")
    def change_key(self, request: Request) -> Response:
        given = self.given()
        if given["value"]:
            connections.set_key(given["variable"], given["value"], by=acting_user())
        else:
            connections.remove_key(given["variable"], by=acting_user())
        return self._all(request)

    @extend_schema(summary="Install the SDK for Claude in the background: exactly what the lock file pins.")
    def install_sdk(self, request: Request) -> Response:
        user = acting_user()
        assert user is not None, "the permission requires a superuser"
        sdk_installations.install_sdk(by=user)
        return self._all(request)

    def _all(self, request: Request) -> Response:
        shown = {
            "may_decide": connections.may_decide(request.user),
            "programs": connections.programs(),
            "keys": connections.provider_keys(),
            "claude_sdk": sdk_installations.sdk_state(),
        }
        return Response(Connections(shown).data, headers={"Cache-Control": "no-store"})
