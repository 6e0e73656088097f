"""The Django app of Mission Control; it registers the system checks."""

from django.apps import AppConfig


class MissionControlConfig(AppConfig):
    name = "mission_control"
    verbose_name = "Mission Control"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        from mission_control import checks, versions  # noqa: F401 - registers the system checks

        post_migrate.connect(versions.record_version, sender=self)
