"""Who may do what: Django's model permissions, of which reading needs one too."""

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import DjangoModelPermissions
from rest_framework.request import Request
from rest_framework.settings import api_settings

VIEW = ["%(app_label)s.view_%(model_name)s"]


class ModelPermissions(DjangoModelPermissions):
    """Ask for view, add, change or delete of the view's model, as the method says.

    A view's `action_permissions` names what else an action asks for, instead.
    """

    perms_map = {**DjangoModelPermissions.perms_map, "GET": VIEW, "HEAD": VIEW, "OPTIONS": VIEW}

    def has_permission(self, request: Request, view) -> bool:
        own = getattr(view, "action_permissions", {}).get(getattr(view, "action", None))
        if own is None:
            return super().has_permission(request, view)
        return request.user.is_authenticated and request.user.has_perms(own)


def authorise(request: HttpRequest, *permissions: str) -> AbstractBaseUser:
    """Return the user of a plain Django request, who has these permissions; for views outside DRF.

    Raises AuthenticationFailed or NotAuthenticated (401) and PermissionDenied (403). Queries the database.
    """
    user = Request(
        request,
        authenticators=[authentication() for authentication in api_settings.DEFAULT_AUTHENTICATION_CLASSES],
    ).user
    if not user.is_authenticated:
        raise NotAuthenticated
    if not user.has_perms(permissions):
        raise PermissionDenied
    return user
