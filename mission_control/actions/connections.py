"""Allow programs that agents may run, where a person may decide that: on an installation for this machine only.

Elsewhere only the environment decides (`CONNECTIONS_BY_PAGE` in the settings).
"""

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction

from agents import connections
from agents.backends.programs.presets import PRESETS
from agents.models import AllowedProgram
from mission_control.actions.activity import note
from mission_control.errors import Invalid, NotFound, OperatorDecides
from mission_control.models import Activity


def may_decide(user: User | AnonymousUser) -> bool:
    """Return whether the user may allow programs here."""
    return bool(settings.CONNECTIONS_BY_PAGE and user.is_active and user.is_superuser)


def allowed_programs() -> frozenset[str]:
    """Return the names of the programs that agents may run. One query."""
    by_page = AllowedProgram.objects.values_list("name", flat=True) if settings.CONNECTIONS_BY_PAGE else ()
    return frozenset([*settings.MISSION_CONTROL_COMMANDS, *by_page])


def allow_program(name: str, *, by: User | None) -> None:
    """Let agents run a preset's program; on each machine, from its next run on.

    `by` is None for a command of the operator's. Raises OperatorDecides, Invalid.
    """
    _require(by, name)
    if name not in PRESETS:
        raise Invalid("name", f"Unknown program. Available: {', '.join(PRESETS)}.")
    with transaction.atomic():
        _, is_new = AllowedProgram.objects.get_or_create(name=name, defaults={"allowed_by": by})
        if is_new:
            _note(f"Agents may now run {PRESETS[name].title} (`{name}`)")
    connections.refresh()


def forbid_program(name: str, *, by: User | None) -> None:
    """Take back what `allow_program` has allowed; runs go on. Raises OperatorDecides, NotFound."""
    _require(by, name)
    with transaction.atomic():
        if not AllowedProgram.objects.filter(name=name).delete()[0]:
            raise NotFound("Program")
        _note(f"Agents may no longer run `{name}`")
    connections.refresh()


def _require(by: User | None, name: str) -> None:
    """Raise OperatorDecides if the user may not decide about programs. A command, without a user, may."""
    if not settings.CONNECTIONS_BY_PAGE:
        raise OperatorDecides(
            f"Only the operator can allow `{name}` here: add it to MISSION_CONTROL_COMMANDS and restart"
        )
    if by is not None and not may_decide(by):
        raise OperatorDecides(f"Only a superuser can allow `{name}`")


def _note(message: str) -> None:
    note(Activity.Type.AGENT_STATUS_CHANGED, message, subject=Activity.Subject.AGENT)
