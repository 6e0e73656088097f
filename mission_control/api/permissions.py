"""Who may do what: Django's model permissions, of which reading needs one too."""

from typing import TYPE_CHECKING

from rest_framework.permissions import DjangoModelPermissions
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView  # imports this module itself, by the settings

VIEW = ["%(app_label)s.view_%(model_name)s"]


class ModelPermissions(DjangoModelPermissions):
    """Ask for view, add, change or delete of the view's model, as the method says.

    A view's `action_permissions` names what else an action asks for, instead.
    """

    perms_map = {**DjangoModelPermissions.perms_map, "GET": VIEW, "HEAD": VIEW, "OPTIONS": VIEW}

    def has_permission(self, request: Request, view: "APIView") -> bool:
        own = getattr(view, "action_permissions", {}).get(getattr(view, "action", None))
        if own is None:
            return super().has_permission(request, view)
        return request.user.is_authenticated and request.user.has_perms(own)
