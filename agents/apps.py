"""The Django app of the agents."""

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "agents"
