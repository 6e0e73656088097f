"""The activity feed and the notifications as pages."""
