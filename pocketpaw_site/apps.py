"""The Django app of the site, with its commands."""

from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "pocketpaw_site"

    def ready(self) -> None:
        from pocketpaw_site.authentication import log_logins

        log_logins()
