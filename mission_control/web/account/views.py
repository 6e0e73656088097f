"""The user's own account: the password, and the access tokens, each of which is shown only once."""

import uuid
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import authenticate, update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST, require_safe

from agents.rules import TOKEN_NAME_CHARS
from mission_control import __version__
from mission_control.actions.tokens import MAX_DAYS, create_token, revoke_all
from mission_control.models import AccessToken
from mission_control.web.shared.field_groups import FieldGroups
from mission_control.web.shared.fields import VisibleText
from mission_control.web.shared.views import needs_login, person_of, show

SOON = timedelta(days=7)


class TokenForm(FieldGroups, forms.Form):
    """The name and the lifetime of a new token."""

    ids = "token-%s"
    name = VisibleText(
        max_length=TOKEN_NAME_CHARS,
        error_messages={"required": "Name is required."},
        widget=forms.TextInput({"placeholder": "Deploy script"}),
    )
    days = forms.IntegerField(
        label="Expires in",
        initial=90,
        min_value=1,
        max_value=MAX_DAYS,
        required=False,
        widget=forms.Select(choices=[(30, "30 days"), (90, "90 days"), (365, "1 year"), ("", "Never")]),
    )


class PasswordForm(FieldGroups, PasswordChangeForm):
    """The old and the new password, and whether to revoke the user's tokens as well."""

    revoke_tokens = forms.BooleanField(required=False)

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        super().__init__(person_of(request), data)
        self.request = request
        del self.fields["old_password"].widget.attrs["autofocus"]  # the page has other forms too
        for field in self.fields.values():
            field.help_text = ""  # the page shows the help once for all fields

    @sensitive_variables("given")
    def clean_old_password(self) -> str:
        """Check the old password with `authenticate`, as a login does, so that guesses are counted and limited."""
        given: str = self.cleaned_data["old_password"]
        if authenticate(self.request, username=self.user.get_username(), password=given) != self.user:
            raise forms.ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        return given


@require_safe
@never_cache
@needs_login
def account(request: HttpRequest) -> HttpResponse:
    """Show the account page."""
    return _page(request)


@require_POST
@never_cache
@needs_login
@sensitive_post_parameters()
def change_password(request: HttpRequest) -> HttpResponse:
    """Change the password. This session stays logged in; all other sessions of the user end."""
    form = PasswordForm(request, request.POST)
    if not form.is_valid():
        return _page(request, password_form=form, status=400)
    update_session_auth_hash(request, form.save())
    text = "Password changed. Your other sessions were logged out."
    if form.cleaned_data["revoke_tokens"]:
        text += f" Tokens revoked: {revoke_all(person_of(request))}."
    messages.success(request, text, extra_tags="ok")
    return HttpResponseRedirect(reverse("account"))


@require_POST
@never_cache
@cache_control(no_transform=True)  # never compressed: the length would depend on the token
@needs_login
def make_token(request: HttpRequest) -> HttpResponse:
    """Create a token and show it in this response, the only one that contains it."""
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _page(request, token_form=form, status=400)
    token, text = create_token(person_of(request), name=form.cleaned_data["name"], days=form.cleaned_data["days"])
    return _page(request, made=token, text=text)


@require_POST
@never_cache
@needs_login
def revoke_token(request: HttpRequest, token_id: uuid.UUID) -> HttpResponse:
    """Revoke one of the user's own tokens."""
    token = get_object_or_404(AccessToken, uid=token_id, user=person_of(request))
    token.delete()
    messages.success(request, f"Token “{token.name or 'unnamed'}” revoked.", extra_tags="ok")
    return HttpResponseRedirect(reverse("account"))


def _page(request: HttpRequest, *, status: int = 200, **context: Any) -> HttpResponse:
    now = timezone.now()
    shown = {
        "password_form": PasswordForm(request),
        "token_form": TokenForm(),
        "tokens": AccessToken.objects.filter(user=person_of(request)).order_by("-created", "uid")[:200],
        "now": now,
        "soon": now + SOON,
        "version": __version__,
    }
    return show(request, "account/account.html", {**shown, **context}, at="account", status=status)
