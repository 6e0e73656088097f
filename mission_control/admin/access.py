"""Access tokens in the admin."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.cache import patch_cache_control

from agents.rules import TOKEN_NAME_CHARS
from mission_control.actions.permissions import may_manage
from mission_control.actions.tokens import MAX_DAYS, create_token
from mission_control.admin.base import Deleted, Lean, Rows
from mission_control.compat.django_models import copy_values
from mission_control.models import AccessToken


class UserTokenForm(forms.ModelForm):
    """The form for a new token: its user, its name and its lifetime in days."""

    name = forms.CharField(max_length=TOKEN_NAME_CHARS)
    expires_in_days = forms.IntegerField(
        min_value=1, max_value=MAX_DAYS, required=False, help_text="Leave empty for no expiry."
    )

    class Meta:
        model = AccessToken
        fields = ["user", "name"]

    by: User  # the user who creates the token; set by the admin

    def clean_user(self) -> User:
        owner: User = self.cleaned_data["user"]
        if not may_manage(self.by, owner):
            raise forms.ValidationError("A token of this user would give you rights that you do not have.")
        return owner


@admin.register(AccessToken)
class AccessTokenAdmin(Lean):
    """Lists, creates and revokes tokens. A token is shown once, when it is created; its hash is never shown."""

    list_display = ["name", "user", "created", "expiry"]
    list_display_links = None
    list_select_related = ["user"]
    search_fields = ["name", "user__username"]
    form = UserTokenForm
    raw_id_fields = ["user"]

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return ["user", "name", "expires_in_days"] if obj is None else ["user", "name", "created", "expiry"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [] if obj is None else ["user", "name", "created", "expiry"]

    def get_form(self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        return type("UserTokenForm", (form,), {"by": request.user})

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Forbid revoking the token of a user who has more rights."""
        if not super().has_delete_permission(request, obj):
            return False
        by = request.user
        return obj is None or (isinstance(obj, AccessToken) and isinstance(by, User) and may_manage(by, obj.user))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        given = form.cleaned_data
        made, obj.shown_once = create_token(given["user"], name=given["name"], days=given["expires_in_days"])
        copy_values(made, obj)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """Show the token in this response. A message after a redirect would store it in a cookie."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Access token created",
            "token": obj,
        }
        response = TemplateResponse(request, "admin/token_made.html", context)
        patch_cache_control(response, no_transform=True)  # no compression: the length would depend on the token
        return response

    def get_deleted_objects(self, objs: Rows, request: HttpRequest) -> Deleted:
        names = [f"{token.name or 'a token'} of {token.user}" for token in objs]
        others = {f"token of {token.user}" for token in objs if not self.has_delete_permission(request, token)}
        return names, {str(self.opts.verbose_name_plural): len(names)}, others, []
