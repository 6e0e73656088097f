"""Connections in the admin: allowed programs, keys of providers without their values, the SDK for Claude."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.http import HttpRequest

from agents.backends.programs.presets import PRESETS
from agents.connections import KEYS
from agents.models import AllowedProgram, ProviderKey, SdkInstallation
from mission_control.actions import connections, sdk_installations
from mission_control.actions.permissions import acting_user
from mission_control.admin.base import ThroughActions
from mission_control.errors import OperatorDecides


def _person() -> User:
    """Return the acting user. Raises OperatorDecides without one."""
    user = acting_user()
    if user is None:
        raise OperatorDecides("Log in first")
    return user


def _allow(name: str) -> AllowedProgram:
    connections.allow_program(name, by=_person())
    return AllowedProgram.objects.get(name=name)


class ConnectionAdmin(ThroughActions):
    """Only for those who may decide about connections here."""

    ordering = ["pk"]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return connections.may_decide(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return connections.may_decide(request.user)

    has_add_permission = has_delete_permission = has_view_permission

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ProgramForm(forms.ModelForm):
    name = forms.ChoiceField(choices=[(name, preset.title) for name, preset in PRESETS.items()])

    class Meta:
        model = AllowedProgram
        fields = ["name"]


@admin.register(AllowedProgram)
class AllowedProgramAdmin(ConnectionAdmin):
    create_action = staticmethod(_allow)
    delete_action = staticmethod(lambda row: connections.forbid_program(row.name, by=_person()))
    list_display = ["name", "allowed_by", "created_at"]
    form = ProgramForm


class KeyForm(forms.ModelForm):
    variable = forms.ChoiceField(choices=list(KEYS.items()))
    value = forms.CharField(
        widget=forms.PasswordInput, max_length=1_000, help_text="Stored encrypted, and never shown again."
    )

    class Meta:
        model = ProviderKey
        fields = ["variable"]


@admin.register(ProviderKey)
class ProviderKeyAdmin(ConnectionAdmin):
    create_action = staticmethod(lambda **given: connections.set_key(**given, by=_person()))
    delete_action = staticmethod(lambda row: connections.remove_key(row.variable, by=_person()))
    list_display = ["variable", "last_four", "set_by", "updated_at"]
    form = KeyForm

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return ["variable", "value"] if obj is None else ["variable", "last_four", "set_by", "updated_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [] if obj is None else ["variable", "last_four", "set_by", "updated_at"]


@admin.register(SdkInstallation)
class SdkInstallationAdmin(ConnectionAdmin):
    """Installations of the SDK for Claude. To add one is to start it; none can be changed or deleted."""

    create_action = staticmethod(lambda: sdk_installations.install_sdk(by=_person()))
    list_display = ["status", "message", "requested_by", "created_at", "reported_at"]

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return [] if obj is None else self.list_display

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return [] if obj is None else self.list_display

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
