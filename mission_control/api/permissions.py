"""Permissions of the API: Django's model permissions, which reading requires too."""

from typing import TYPE_CHECKING

from rest_framework.permissions import DjangoModelPermissions
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView  # it imports this module, through the settings

VIEW = ["%(app_label)s.view_%(model_name)s"]


class ModelPermissions(DjangoModelPermissions):
    """Requires the permission to view, add, change or delete the view's model, depending on the HTTP method.

    For the actions named in a view's `action_permissions`, the permissions listed there are required instead.
    """

    perms_map = {**DjangoModelPermissions.perms_map, "GET": VIEW, "HEAD": VIEW, "OPTIONS": VIEW}

    def has_permission(self, request: Request, view: "APIView") -> bool:
        own = getattr(view, "action_permissions", {}).get(getattr(view, "action", None))
        if own is None:
            return super().has_permission(request, view)
        return request.user.is_authenticated and request.user.has_perms(own)
