"""Access tokens."""

import uuid

from django.db import models
from knox.models import AbstractAuthToken

from agents import rules


class AccessToken(AbstractAuthToken):
    """A user's API token: stored as a hash, shown once, expiring if asked for."""

    uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100, blank=True, validators=[rules.not_blank])

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.name or 'token'} of {self.user}"
