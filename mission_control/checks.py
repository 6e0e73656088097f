"""System checks that detect contradictory settings at start, before they cause a failure."""

from typing import Any

from django.conf import settings
from django.core.checks import Error, Warning, register
from django.utils.module_loading import import_string

from agents.backends import registry
from mission_control import hooks

LONGEST_PULSE_SECONDS = 2.0


@register()
def queue_settings_go_together(**_: Any) -> list[Error]:
    """Check the order of a run's deadline, the queue's timeout and its redelivery; nothing may be prefetched."""
    queue = settings.Q_CLUSTER
    problems = []
    if not settings.RUN_TIMEOUT_SECONDS < queue["timeout"] < queue["retry"]:
        problems.append(
            Error("Q_CLUSTER: a run's deadline < timeout < retry must hold", id="mission_control.E001")
        )
    if (queue["max_attempts"], queue["ack_failures"], queue["catch_up"]) != (1, True, False):
        problems.append(
            Error(
                "Q_CLUSTER: max_attempts 1, ack_failures True, catch_up False are needed",
                id="mission_control.E002",
            )
        )
    if (queue["queue_limit"], queue["bulk"]) != (1, 1):
        problems.append(Error("Q_CLUSTER: queue_limit 1 and bulk 1 are needed", id="mission_control.E003"))
    return problems


@register()
def lease_outlives_the_database_wait(**_: Any) -> list[Warning]:
    """Check that the lease is longer than the wait for a locked database, during which it cannot be renewed."""
    if settings.LEASE_SECONDS > settings.DATABASE_WAIT_SECONDS + LONGEST_PULSE_SECONDS:
        return []
    message = "MISSION_CONTROL_LEASE_SECONDS is shorter than a worker may have to wait for the database"
    return [Warning(message, hint="A healthy run could be declared lost.", id="mission_control.W001")]


@register()
def profile_is_whole(**_: Any) -> list[Warning]:
    """Warn about Redis without PostgreSQL, for one machine only, and PostgreSQL without Redis, which is polled."""
    if settings.REDIS_URL and settings.EMBEDDED_DATABASE:
        return [
            Warning(
                "REDIS_URL is set, DATABASE_URL is not: workers elsewhere cannot share SQLite",
                id="mission_control.W002",
            )
        ]
    if not settings.REDIS_URL and not settings.EMBEDDED_DATABASE:
        return [
            Warning(
                "DATABASE_URL is set, REDIS_URL is not: output and jobs are polled for", id="mission_control.W003"
            )
        ]
    return []


@register()
def names_can_be_imported(**_: Any) -> list[Error]:
    """Check that the function of each hook and the backends in the settings can be imported."""
    problems = []
    for hook in hooks.Hook:
        try:
            import_string(hooks.path_of(hook))
        except (ImportError, hooks.NotRegistered) as error:
            problems.append(Error(f"The hook {hook.value} cannot be imported: {error}", id="mission_control.E004"))
    for name in settings.MISSION_CONTROL_BACKENDS:
        try:
            registry.get(name)
        except registry.BrokenBackend as error:
            problems.append(Error(f"MISSION_CONTROL_EXTRA_BACKENDS: {error}", id="mission_control.E005"))
    return problems


@register()
def backends_that_settings_name_exist(**_: Any) -> list[Error]:
    """Check the names of backends in the settings, which would otherwise fail with the first agent."""
    configured = {
        "MISSION_CONTROL_DEFAULT_BACKEND": settings.DEFAULT_BACKEND,
        "MISSION_CONTROL_PLANNER_BACKEND": settings.PLANNER_BACKEND or settings.DEFAULT_BACKEND,
    }
    known = registry.names()
    problems = [
        f"{variable}: unknown backend {name!r}" for variable, name in configured.items() if name not in known
    ]
    return [Error(f"{problem}; available: {', '.join(known)}", id="mission_control.E006") for problem in problems]
