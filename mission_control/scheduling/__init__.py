"""Decide which tasks of a project can start, in which order, and explain why a task waits."""
