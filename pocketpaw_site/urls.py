"""All paths: the admin, the page, the API."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("admin/password_change/", RedirectView.as_view(pattern_name="account")),  # one page for it, with tokens
    path("admin/", admin.site.urls),
    path("api/session/", include("rest_framework.urls")),  # the browsable API's login
    path("", include("mission_control.web.urls")),
    path("", include("mission_control.api.urls")),
]
