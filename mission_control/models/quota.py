"""Accounts whose quota is used up."""

from typing import Self

from django.db import models
from django.utils import timezone

from agents.models import Agent

ACCOUNT_CHARS = 200
NAMES = {
    "anthropic": "Anthropic",
    "cerebras": "Cerebras",
    "claude": "Claude",
    "codex": "Codex",
    "cohere": "Cohere",
    "copilot": "Copilot",
    "deepseek": "DeepSeek",
    "demo": "the demo agent",
    "fireworks": "Fireworks",
    "gemini": "Gemini",
    "google": "Google",
    "groq": "Groq",
    "mistral": "Mistral",
    "ollama": "Ollama",
    "openai": "OpenAI",
    "opencode": "OpenCode",
    "openrouter": "OpenRouter",
    "qwen": "Qwen",
    "together": "Together",
}


def account_name(account: str) -> str:
    """Return an account's name for users: "openai:…a1b2" is "OpenAI (…a1b2)", "localhost:8000" is itself."""
    provider, _, key = account.partition(":")
    if provider not in NAMES:
        return account
    name = NAMES[provider]
    return f"{name} ({key})" if key and provider != "demo" else name


class QuotaGate(models.Model):
    """An account whose quota is used up: no run of its agents calls it until the gate opens.

    When `closed_until` has passed, one run goes first as the test. The row is deleted when that run has got an
    answer; then the others follow. Only `runs/quota_gates.py` writes it.
    """

    account = models.CharField(max_length=ACCOUNT_CHARS, primary_key=True)
    closed_since = models.DateTimeField(default=timezone.now)
    closed_until = models.DateTimeField()
    reason = models.CharField(max_length=210)
    is_reset_known = models.BooleanField(help_text="Whether the provider named the time.")
    closings = models.PositiveIntegerField(default=1, help_text="How often in a row the quota was found used up.")
    agents = models.ManyToManyField(Agent, related_name="+", help_text="The agents that use the account.")

    class Meta:
        default_permissions = ()  # who may see runs may see what they wait for
        ordering = ["account"]

    def __str__(self) -> str:
        return self.account

    @property
    def name(self) -> str:
        return account_name(self.account)

    @classmethod
    def of(cls, agent_id: object) -> Self | None:
        """Return the gate that the agent waits for; None if it may work."""
        return cls.objects.filter(agents=agent_id).order_by("-closed_until").first()
