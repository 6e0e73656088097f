"""Two people who edit the same text: the second is shown what the first wrote, and nothing is overwritten unseen.

A form carries, as its `basis`, a digest of each text as its author saw it. What he did not change is not written;
what he changed and somebody else changed meanwhile is a conflict. A form without a basis is taken as it is.
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
LABELS = {  # of fields that their forms call otherwise
    "content": "Text",
    "team_agents": "Team",
    "backend_options": "Options",
    "task_type": "Type",
    "assignee": "Agent",
    "blocked_by": "Blocked by",
}


@dataclass(frozen=True, slots=True)
class Clash:
    """One field that two people changed: from what the other wrote to what this one did."""

    label: str
    diff: Difference


class Conflict(Refusal):
    """Somebody else changed the same meanwhile; `basis` is what a form needs to overwrite that knowingly."""

    def __init__(self, clashes: list[Clash], basis: str, who: str, at: datetime | None) -> None:
        super().__init__(f"{who} edited this while you were editing")
        self.clashes, self.basis, self.who, self.at = clashes, basis, who, at


class Contested(forms.BaseForm):
    """What a form is besides that two people may send at once."""

    conflict: Conflict | None = None  # met by the one that came second

    def basis(self, values: Mapping[str, Any]) -> str:
        """Return what the form carries of the values as they stand: after a conflict, that it was seen."""
        return self.conflict.basis if self.conflict else basis_of(values)

    @property
    def status(self) -> int:
        """The HTTP status of the page that shows it."""
        return 409 if self.conflict else 400 if self.is_bound else 200


def basis_of(values: Mapping[str, Any]) -> str:
    """Return what a form carries of the values that it shows."""
    digests = {name: _digest(value) for name, value in values.items()}
    return json.dumps({"at": timezone.now().isoformat(), "of": digests}, separators=(",", ":"))


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:DIGEST_CHARS]


def changed_only(
    given: Mapping[str, Any], now: Mapping[str, Any], basis: str, *, told_by: QuerySet[Activity], user: User
) -> dict[str, Any]:
    """Return what of `given` its author changed. Raises Conflict where another did, too, and otherwise.

    `now` are the values as they stand, their rows locked by the caller; `told_by` the activities that tell of
    changes. What has no value in `now` is always returned.
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
        raise Conflict(clashes, basis_of({**now}), *_author(told_by, since, user))
    return changed


def _read(basis: str) -> tuple[dict[str, str], datetime | None]:
    """Return the digests that a form carried, and when it was shown; none where it carried none."""
    try:
        given = json.loads(basis[:BASIS_CHARS])
        return dict(given["of"]), parse_datetime(str(given["at"]))
    except (ValueError, TypeError, KeyError):
        return {}, None


def _author(told_by: QuerySet[Activity], since: datetime | None, user: User) -> tuple[str, datetime | None]:
    """Return who changed it last, and when, as the feed tells it."""
    newest = told_by.filter(created_at__gte=since) if since else told_by
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
    """Return a value as lines to be compared."""
    if isinstance(value, list):
        return "\n".join(map(str, value))
    if isinstance(value, dict):
        return "\n".join(f"{key}: {value[key]}" for key in sorted(value))
    return str(value)


def named(rows: Iterable[tuple[str, UUID]]) -> list[str]:
    """Return rows as they are compared, in a fixed order: by what people call them, and which of that name."""
    return sorted(f"{name} ({str(key)[:8]})" for name, key in rows)
