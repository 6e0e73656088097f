"""Users and groups in the admin: nobody can grant, or take over, more rights than they have."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm
from django.contrib.auth.models import Group, Permission, User
from django.db.models import ManyToManyField, Model
from django.http import HttpRequest

from mission_control.actions import permissions
from mission_control.actions.tokens import revoke_all


class WithinOwnRights(admin.ModelAdmin):
    """Protects objects with a right that the acting user lacks, and offers only that user's rights."""

    def may_manage(self, by: User, obj: Any) -> bool:
        raise NotImplementedError

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_change_permission(request, obj) and self._is_within(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_delete_permission(request, obj) and self._is_within(request, obj)

    def _is_within(self, request: HttpRequest, obj: Model | None) -> bool:
        return obj is None or (isinstance(request.user, User) and self.may_manage(request.user, obj))

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Any, Any]", request: Any = None, **kwargs: Any
    ) -> Any:
        """Offer only what the user may grant.

        Saving removes no other rights, because an object that has others cannot be changed at all.
        """
        by = request.user if request else None
        if isinstance(by, User) and db_field.related_model is Permission:
            kwargs["queryset"] = permissions.grantable_permissions(by).select_related("content_type")
        elif isinstance(by, User) and db_field.related_model is Group:
            kwargs["queryset"] = permissions.grantable_groups(by)
        return super().formfield_for_manytomany(db_field, request, **kwargs)


class NewPassword(AdminPasswordChangeForm):
    """Sets a new password for a user and, if requested, revokes all of the user's access tokens."""

    revoke_tokens = forms.BooleanField(required=False, label="Revoke the user's access tokens too")

    def save(self, commit: bool = True) -> User:
        user: User = super().save(commit=commit)
        if self.cleaned_data["revoke_tokens"]:
            revoke_all(user)
        return user


admin.site.unregister([User, Group])


@admin.register(User)
class Users(WithinOwnRights, UserAdmin):
    """Users. Only superusers can create superusers, change them or set their passwords."""

    search_fields = [f"{name}__has_text" for name in ("username", "first_name", "last_name", "email")]
    change_password_form = NewPassword

    def may_manage(self, by: User, obj: User) -> bool:
        return permissions.may_manage(by, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        own = list(super().get_readonly_fields(request, obj))
        return own if request.user.is_superuser else [*own, "is_superuser"]


@admin.register(Group)
class Groups(WithinOwnRights, GroupAdmin):
    def may_manage(self, by: User, obj: Group) -> bool:
        return permissions.may_manage_group(by, obj)
