"""Conflicts between people who edit the same object: nobody overwrites a change that they have not seen.

A form contains a digest of each value as it was when the form was shown (`basis`). Values that the user did not
change are not written. If the user and another person changed the same value, that is a conflict, and the user
sees what the other person wrote. A form without a basis is saved as it is.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from mission_control.errors import Refusal
from mission_control.models import Activity
from mission_control.web.shared.differences import Difference, difference
from mission_control.web.shared.plain_text import plain

DIGEST_CHARS, BASIS_CHARS = 16, 4_000
LABELS = {  # of fields whose label is not made from the field name
    "content": "Text",
    "team_agents": "Team",
    "backend_options": "Options",
    "task_type": "Type",
    "assignee": "Agent",
    "blocked_by": "Blocked by",
}


@dataclass(frozen=True, slots=True)
class Clash:
    """One field that two people changed, with the difference from the stored value to the submitted one."""

    label: str
    diff: Difference


class EditConflict(Refusal):
    """Another person changed the same fields. A form with the new `basis` may overwrite them."""

    def __init__(self, clashes: list[Clash], basis: str, who: str, at: datetime | None) -> None:
        super().__init__(f"{who} edited this while you were editing")
        self.clashes, self.basis, self.who, self.at = clashes, basis, who, at


class Contested(forms.BaseForm):
    """Mixin for forms that two people may submit at the same time."""

    conflict: EditConflict | None = None  # set on the form that was submitted second

    def basis(self, values: Mapping[str, Any]) -> str:
        """Return the basis for the current values; after a conflict, the basis of the values that it showed."""
        return self.conflict.basis if self.conflict else basis_of(values)

    @property
    def status(self) -> int:
        """Return the HTTP status of the page with this form."""
        return 409 if self.conflict else 400 if self.is_bound else 200


def basis_of(values: Mapping[str, Any]) -> str:
    """Return the basis for a form that shows these values: their digests and the time, as JSON."""
    digests = {name: _digest(value) for name, value in values.items()}
    return json.dumps({"at": timezone.now().isoformat(), "of": digests}, separators=(",", ":"))


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:DIGEST_CHARS]


def changed_only(
    given: Mapping[str, Any], now: Mapping[str, Any], basis: str, *, edits: QuerySet[Activity], user: User
) -> dict[str, Any]:
    """Return the values of `given` that the user changed.

    `now` are the stored values; the caller has locked their rows. A field that is missing from `now` is always
    returned. `edits` are the activities that record changes; they name the other person. Raises EditConflict if
    another person changed one of the fields too, to a different value.
    """
    seen, since = _read(basis)
    changed = {
        name: value
        for name, value in given.items()
        if name not in now or name not in seen or _digest(value) != seen[name]
    }
    clashing = [
        name
        for name, value in changed.items()
        if name in now and name in seen and _digest(now[name]) not in (seen[name], _digest(value))
    ]
    if clashing:
        clashes = [Clash(_label(name), difference(_text(now[name]), _text(given[name]))) for name in clashing]
        raise EditConflict(clashes, basis_of({**now}), *_author(edits, since, user))
    return changed


def _read(basis: str) -> tuple[dict[str, str], datetime | None]:
    """Return the digests in a form's basis, and when the form was shown; nothing if the basis is invalid."""
    try:
        given = json.loads(basis[:BASIS_CHARS])
        return dict(given["of"]), parse_datetime(str(given["at"]))
    except (ValueError, TypeError, KeyError):
        return {}, None


def _author(edits: QuerySet[Activity], since: datetime | None, user: User) -> tuple[str, datetime | None]:
    """Return who made the last change, and when, according to the activity feed."""
    newest = edits.filter(created_at__gte=since) if since else edits
    activity = newest.select_related("agent").order_by("-number").first()
    if activity is None:
        return "Someone", None
    person = activity.metadata.get("person")
    if person and person == user.get_username():
        return "You (in another window)", activity.created_at
    name = person or (activity.agent.name if activity.agent and activity.task_id else "")
    return plain(str(name)) or "Someone", activity.created_at


def _label(name: str) -> str:
    return LABELS.get(name, name.replace("_", " ").capitalize())


def _text(value: Any) -> str:
    """Return a value as lines, for the comparison."""
    if isinstance(value, list):
        return "\n".join(map(str, value))
    if isinstance(value, dict):
        return "\n".join(f"{key}: {value[key]}" for key in sorted(value))
    return str(value)


def named(rows: Iterable[tuple[str, UUID]]) -> list[str]:
    """Return rows as sorted texts for the comparison: the name, and part of the id because names may repeat."""
    return sorted(f"{name} ({str(key)[:8]})" for name, key in rows)
