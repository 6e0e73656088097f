"""A task's page and its actions."""
