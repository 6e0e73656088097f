from django.contrib import admin

from mission_control.admin.base import ReadOnly
from mission_control.models import Activity, Message


@admin.register(Activity)
class ActivityAdmin(ReadOnly):
    list_display = ["created_at", "type", "message"]
    list_filter = ["type"]
    search_fields = ["message", "task__id", "agent__id"]


@admin.register(Message)
class MessageAdmin(ReadOnly):
    list_display = ["created_at", "task", "from_agent", "author", "__str__"]
    list_select_related = ["task", "from_agent", "author"]
    search_fields = ["content", "task__id"]
