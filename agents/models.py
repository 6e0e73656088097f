"""Agents: a name, a role, and the backend that runs them."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.utils.text import slugify

from agents import rules


def default_backend() -> str:
    """Return the default backend of an agent."""
    return settings.DEFAULT_BACKEND


class AllowedProgram(models.Model):
    """A preset of a command-line agent that a superuser has allowed, in addition to those of the settings."""

    name = models.CharField(max_length=50, unique=True)
    allowed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ProviderKey(models.Model):
    """A provider's key that a superuser has entered: encrypted (agents/sealing.py), and never shown again."""

    variable = models.CharField(max_length=50, unique=True)  # the name of an environment variable
    sealed = models.TextField(editable=False)
    last_four = models.CharField(max_length=4, blank=True, editable=False)
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["variable"]

    def __str__(self) -> str:
        return self.variable


class Lookup(models.Model):
    """The last result of a slow look-up, such as what a machine offers (agents/lookups.py)."""

    KEY_CHARS, PROBLEM_CHARS = 300, 300

    key = models.CharField(max_length=KEY_CHARS, unique=True)
    value = models.JSONField(null=True)
    problem = models.CharField(max_length=PROBLEM_CHARS, blank=True)
    checked_at = models.DateTimeField(null=True)  # when the last one ended
    started_at = models.DateTimeField(null=True)  # of the one that is running
    is_outdated = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.key


class SdkInstallation(models.Model):
    """One installation of the SDK for Claude, requested on the page or by the API, and carried out by a worker."""

    class Status(models.TextChoices):
        WAITING = "waiting"  # for a worker
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    status = models.CharField(max_length=7, choices=Status, default=Status.WAITING)
    is_active = models.BooleanField(default=True)  # waiting or running: at most one is
    message = models.CharField(max_length=250, blank=True, help_text="What it does now, or why it failed.")
    done_bytes = models.PositiveBigIntegerField(default=0, help_text="Of the current download.")
    total_bytes = models.PositiveBigIntegerField(default=0, help_text="Of the current download; 0 if unknown.")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    reported_at = models.DateTimeField(help_text="When it last reported its progress.")

    class Meta:
        ordering = ["-id"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["is_active"], condition=models.Q(is_active=True), name="one_sdk_installation_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return self.status


class Agent(models.Model):
    """An agent that runs can be assigned to.

    `status` is the value set by a user or a heartbeat. While the agent has a run, everything shows it as active;
    that is derived from its runs and never stored, so that two runs never contend for the agent's row.
    """

    class Status(models.TextChoices):
        IDLE = "idle"
        ACTIVE = "active"
        BLOCKED = "blocked"
        OFFLINE = "offline"

    class Level(models.TextChoices):
        INTERN = "intern"
        SPECIALIST = "specialist"
        LEAD = "lead"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=rules.NAME_CHARS, validators=[rules.not_blank])
    role = models.CharField(max_length=rules.ROLE_CHARS, validators=[rules.not_blank])
    description = models.TextField(max_length=rules.DESCRIPTION_CHARS, blank=True)
    session_key = models.CharField(max_length=rules.SESSION_KEY_CHARS, blank=True)
    backend = models.CharField(max_length=rules.BACKEND_CHARS, default=default_backend)
    backend_options = models.JSONField(default=dict, blank=True, validators=[rules.json_object])
    fallback_agent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Continues its runs while the quota of its account is used up.",
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.IDLE)
    level = models.CharField(max_length=10, choices=Level, default=Level.SPECIALIST)
    specialties = models.JSONField(default=list, blank=True, validators=[rules.TagList(rules.SPECIALTY_CHARS)])
    last_heartbeat = models.DateTimeField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[rules.json_object])
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self.session_key:
            self.session_key = f"agent:{slugify(self.name) or 'agent'}:main"
        super().save(*args, **kwargs)
