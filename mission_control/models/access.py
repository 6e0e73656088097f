"""Access tokens."""

import uuid

from django.db import models
from knox.models import AbstractAuthToken

from agents import rules


class AccessToken(AbstractAuthToken):
    """A user's API token: stored as a hash, shown only once, with an optional expiry."""

    uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=rules.TOKEN_NAME_CHARS, blank=True, validators=[rules.not_blank])
    # The token that was used to create this one. This one ends when that one does.
    parent = models.ForeignKey(
        "self", null=True, editable=False, on_delete=models.CASCADE, related_name="children"
    )

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.name or 'token'} of {self.user}"
