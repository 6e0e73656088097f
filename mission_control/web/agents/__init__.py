"""The pages of agents and of their backends."""
