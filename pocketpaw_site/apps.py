from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "pocketpaw_site"
