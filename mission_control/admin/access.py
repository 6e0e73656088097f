from django.contrib import admin

from mission_control.admin.base import Lean
from mission_control.models import AccessToken


@admin.register(AccessToken)
class AccessTokenAdmin(Lean):
    """Who has a token, to revoke it. The token itself is stored nowhere; its hash is not shown."""

    list_display = ["name", "user", "created", "expiry"]
    list_display_links = None
    list_select_related = ["user"]
    search_fields = ["name", "user__username"]

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def get_deleted_objects(self, objs, request):
        names = [f"{token.name or 'a token'} of {token.user}" for token in objs]
        return names, {self.opts.verbose_name_plural: len(names)}, set(), []
