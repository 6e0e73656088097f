"""Allow programs and enter keys of providers, where a superuser may: if only this machine can reach the product.

Elsewhere only the environment decides (`CONNECTIONS_BY_PAGE` in the settings). The settings cannot show where a
server was told to listen, so a request from another machine is refused too.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction

from agents import choices, connections
from agents.backends.programs.presets import PRESETS
from agents.discovery.scanner import scanner
from agents.models import AllowedProgram, ProviderKey
from agents.rules import is_storable
from agents.sealing import seal, unseal
from mission_control.actions.activity import note
from mission_control.actions.permissions import serves_this_machine
from mission_control.errors import Invalid, NotFound, OperatorDecides
from mission_control.models import Activity

LONG_KEY = 16  # the last characters of a shorter one would reveal too much
_KEY = re.compile(r"[!-~]{8,1000}")


def may_decide(user: User | AnonymousUser) -> bool:
    """Return whether the user may allow programs and enter keys here, by the request that is being served."""
    is_operator = user.is_active and user.is_superuser
    return bool(settings.CONNECTIONS_BY_PAGE and is_operator and serves_this_machine())


def allowed_programs() -> frozenset[str]:
    """Return the names of the programs that agents may run. One query."""
    by_page = AllowedProgram.objects.values_list("name", flat=True) if settings.CONNECTIONS_BY_PAGE else ()
    return frozenset([*settings.MISSION_CONTROL_COMMANDS, *by_page])


def allow_program(name: str, *, by: User | None) -> None:
    """Let agents run a preset's program; on each machine, from its next run on.

    `by` is None if the operator uses a command. Raises OperatorDecides, Invalid.
    """
    require(by, name, "add it to MISSION_CONTROL_COMMANDS and restart")
    if name not in PRESETS:
        raise Invalid("name", f"Unknown program. Available: {', '.join(PRESETS)}.")
    with transaction.atomic():
        _, is_new = AllowedProgram.objects.get_or_create(name=name, defaults={"allowed_by": by})
        if is_new:
            _note(f"Agents may now run {PRESETS[name].title} (`{name}`)")
    _apply()


def forbid_program(name: str, *, by: User | None) -> None:
    """Take back what `allow_program` has allowed; runs go on. Raises OperatorDecides, NotFound."""
    require(by, name, "remove it from MISSION_CONTROL_COMMANDS and restart")
    with transaction.atomic():
        if not (is_storable(name) and AllowedProgram.objects.filter(name=name).delete()[0]):
            raise NotFound("Program")
        _note(f"Agents may no longer run `{name}`")
    _apply()


def set_key(variable: str, value: str, *, by: User | None) -> ProviderKey:
    """Store a provider's key, encrypted; agents use it from their next run on. It replaces an earlier one.

    Raises OperatorDecides, Invalid.
    """
    require(by, variable, "set it in the environment and restart")
    if variable not in connections.KEYS:
        raise Invalid("variable", f"Unknown key. Available: {', '.join(connections.KEYS)}.")
    value = value.strip()
    if not _KEY.fullmatch(value):
        raise Invalid("value", "A key has 8 to 1,000 letters, digits and signs, and no spaces.")
    fields = {"sealed": seal(variable, value), "last_four": value[-4:] if len(value) >= LONG_KEY else ""}
    with transaction.atomic():
        key, _ = ProviderKey.objects.update_or_create(variable=variable, defaults={**fields, "set_by": by})
        _note(f"The key {variable} was set")
    _apply()
    return key


def remove_key(variable: str, *, by: User | None) -> None:
    """Delete a stored key. Raises OperatorDecides, NotFound."""
    require(by, variable, "remove it from the environment and restart")
    with transaction.atomic():
        if not (is_storable(variable) and ProviderKey.objects.filter(variable=variable).delete()[0]):
            raise NotFound("Key")
        _note(f"The key {variable} was removed")
    _apply()


# ---------------------------------------------------------------- the state
@dataclass(frozen=True, slots=True)
class Connection:
    """A program or a key. `source` is environment, page, or empty if it is not connected."""

    name: str
    title: str
    source: str = ""
    last_four: str = ""
    updated_at: datetime | None = None
    by: str = ""
    is_readable: bool = True  # False for a key that was encrypted with another SECRET_KEY


def programs() -> list[Connection]:
    """Return all programs that can be allowed, and those of the settings. One query."""
    rows = {row.name: row for row in AllowedProgram.objects.select_related("allowed_by")}
    names = [*PRESETS, *(name for name in settings.MISSION_CONTROL_COMMANDS if name not in PRESETS)]
    found = []
    for name in names:
        row, title = rows.get(name), PRESETS[name].title if name in PRESETS else name
        if name in settings.MISSION_CONTROL_COMMANDS:
            found.append(Connection(name, title, "environment"))
        elif row is not None and settings.CONNECTIONS_BY_PAGE:
            by = row.allowed_by.get_username() if row.allowed_by else ""
            found.append(Connection(name, title, "page", updated_at=row.created_at, by=by))
        else:
            found.append(Connection(name, title))
    return found


def provider_keys() -> list[Connection]:
    """Return all keys that can be entered, without their values. Three queries."""
    connections.refresh()
    rows = {row.variable: row for row in ProviderKey.objects.select_related("set_by")}
    found = []
    for variable, title in connections.KEYS.items():
        row = rows.get(variable)
        if connections.is_of_environment(variable):
            found.append(Connection(variable, title, "environment"))
        elif row is not None and settings.CONNECTIONS_BY_PAGE:
            is_readable = unseal(variable, row.sealed) is not None
            by = row.set_by.get_username() if row.set_by else ""
            found.append(Connection(variable, title, "page", row.last_four, row.updated_at, by, is_readable))
        else:
            found.append(Connection(variable, title))
    return found


def require(by: User | None, name: str, advice: str) -> None:
    """Raise OperatorDecides if the user may not decide about connections. None, a command, may."""
    if not settings.CONNECTIONS_BY_PAGE:
        raise OperatorDecides(f"Only the operator decides about `{name}` here: {advice}")
    if by is not None and not serves_this_machine():
        raise OperatorDecides(f"`{name}` can only be changed from the machine on which Mission Control runs")
    if by is not None and not may_decide(by):
        raise OperatorDecides(f"Only a superuser decides about `{name}`")


def _apply() -> None:
    """Let this process use what has changed, and search this machine again when somebody asks what it offers."""
    connections.refresh()
    scanner.outdate()
    choices.outdate()


def _note(message: str) -> None:
    note(Activity.Type.AGENT_STATUS_CHANGED, message, subject=Activity.Subject.AGENT)
