"""All URLs: the admin, the pages, the API."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    # The account page has it, with tokens.
    path("admin/password_change/", RedirectView.as_view(pattern_name="account")),
    path("admin/", admin.site.urls),
    path("api/session/", include("rest_framework.urls")),  # the browsable API's login
    path("", include("mission_control.web.urls")),
    path("", include("mission_control.api.urls")),
]
