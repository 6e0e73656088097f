"""The Django app of Mission Control; it registers the system checks."""

from django.apps import AppConfig


class MissionControlConfig(AppConfig):
    name = "mission_control"
    verbose_name = "Mission Control"

    def ready(self) -> None:
        from mission_control import checks  # noqa: F401 - registers the system checks
