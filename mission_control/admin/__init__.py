"""Admin pages for operators to inspect and repair data. They use the same actions as the API and the web pages."""

from mission_control.admin import access, connections, feed, operations, questions, reviews, runs, users, work

__all__ = ["access", "connections", "feed", "operations", "questions", "reviews", "runs", "users", "work"]
