"""The Django app of the agents."""

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "agents"

    def ready(self) -> None:
        """Remember the secrets that the operator gives to MCP servers, so that no output contains them."""
        from django.conf import settings

        from agents.backends.programs.mcp_settings import secrets_of
        from agents.redaction import remember_secrets

        remember_secrets(*secrets_of(settings.MCP_COMMANDS, settings.MCP_VARIABLES))
