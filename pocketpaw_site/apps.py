"""The Django app of the site; it brings the commands."""

from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "pocketpaw_site"

    def ready(self) -> None:
        from pocketpaw_site.authentication import listen

        listen()
