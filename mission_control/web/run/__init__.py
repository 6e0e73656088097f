"""A run's output, log and prompt."""
