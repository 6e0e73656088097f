"""The Django app of Mission Control; it registers the system checks and the hooks."""

from contextlib import suppress

from django.apps import AppConfig

from mission_control import hooks
from mission_control.hooks import Hook

# The functions of the hooks (`hooks.py`): lower packages know only the names.
HOOKS = {
    Hook.EXECUTE_RUN: "mission_control.jobs.execute_run",
    Hook.ADVANCE_PROJECT: "mission_control.scheduling.scheduler.advance",
    Hook.ADVANCE_ALL: "mission_control.scheduling.scheduler.advance_all",
    Hook.SHOW_TASKS: "mission_control.api.serializers.tasks.shown_tasks",
    Hook.SHOW_PROJECTS: "mission_control.api.serializers.projects.shown_projects",
    Hook.SHOW_QUESTIONS: "mission_control.api.serializers.questions.shown_questions",
    Hook.LATEST_LINES: "mission_control.web.board.page.lines_by_run",
}


def _remember_own_secrets() -> None:
    """Register the product's secrets for redaction that may be in files instead of the environment."""
    from django.conf import settings

    from agents.redaction import remember_secrets

    remember_secrets(settings.SECRET_KEY, *map(str, settings.SECRET_KEY_FALLBACKS))
    remember_secrets(*(str(database.get("PASSWORD") or "") for database in settings.DATABASES.values()))
    for name in ("access_token", "admin_password"):
        with suppress(OSError, UnicodeDecodeError):
            remember_secrets((settings.DATA_DIR / name).read_text(encoding="utf-8").strip())


class MissionControlConfig(AppConfig):
    name = "mission_control"
    verbose_name = "Mission Control"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        from mission_control import checks  # noqa: F401 - registers the system checks
        from mission_control.health import versions

        hooks.register(HOOKS)
        _remember_own_secrets()
        post_migrate.connect(versions.record_version, sender=self)
