"""Ids as clients spell them."""

import uuid


def as_uuid(text: object) -> uuid.UUID | None:
    """Return the UUID that the text spells, None when it spells none."""
    try:
        return uuid.UUID(str(text))
    except ValueError:
        return None
