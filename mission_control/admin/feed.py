"""Activities, messages and notifications in the admin, read-only."""

from django.contrib import admin

from mission_control.admin.base import ReadOnly
from mission_control.models import Activity, Message, Notification


@admin.register(Activity)
class ActivityAdmin(ReadOnly):
    list_display = ["created_at", "type", "subject", "message"]
    list_filter = ["type", "subject"]
    search_fields = ["message", "task__id", "agent__id"]


@admin.register(Message)
class MessageAdmin(ReadOnly):
    list_display = ["created_at", "task", "from_agent", "author", "delivery", "delivered_at", "__str__"]
    list_select_related = ["task", "from_agent", "author"]
    ordering = ["-created_at", "-id"]
    search_fields = ["content", "task__id"]


@admin.register(Notification)
class NotificationAdmin(ReadOnly):
    list_display = ["created_at", "type", "agent", "content", "delivered_at", "read_at"]
    list_filter = ["type", ("delivered_at", admin.EmptyFieldListFilter), ("read_at", admin.EmptyFieldListFilter)]
    list_select_related = ["agent"]
    sortable_by = ["created_at"]
    search_fields = ["content", "source_task__id", "agent__id"]
