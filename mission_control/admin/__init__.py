"""The admin: what operators look into and repair. Changes go through the same verbs as everybody's."""

from mission_control.admin import access, feed, operations, reviews, runs, users, work

__all__ = ["access", "feed", "operations", "reviews", "runs", "users", "work"]
