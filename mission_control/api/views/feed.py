"""Activity, statistics, standup and notifications."""

from rest_framework.request import Request
from rest_framework.response import Response

from mission_control.actions import notifications
from mission_control.api import querysets
from mission_control.api.filters import ActivityFilter, NotificationFilter
from mission_control.api.pagination import ListPagination
from mission_control.api.serializers.feed import (
    ActivityReader,
    NotificationMarked,
    NotificationReader,
    StandupAnswer,
    StatsAnswer,
)
from mission_control.api.views.base import ObjectViews
from mission_control.models import Notification
from mission_control.queries.standup import standup
from mission_control.queries.stats import stats


class FeedPagination(ListPagination):
    default_limit = 50


class ActivityViews(ObjectViews):
    """The activity feed, newest first, and current statistics."""

    queryset = querysets.activities()
    filterset_class = ActivityFilter
    pagination_class = FeedPagination
    noun, one, many, reader = "Activity", "activity", "activities", ActivityReader
    answers = {"stats": StatsAnswer, "standup": StandupAnswer}
    action_permissions = {
        "stats": [
            "agents.view_agent",
            "mission_control.view_activity",
            "mission_control.view_deliverable",
            "mission_control.view_message",
            "mission_control.view_notification",
            "mission_control.view_project",
            "mission_control.view_task",
        ],
        "standup": ["agents.view_agent", "mission_control.view_task"],
    }

    def stats(self, request: Request) -> Response:
        return Response({"stats": stats()})

    def standup(self, request: Request) -> Response:
        return Response({"standup": standup()})


class NotificationViews(ObjectViews):
    """Notifications for agents and people."""

    queryset = querysets.notifications()
    filterset_class = NotificationFilter
    noun, one, many, reader = "Notification", "notification", "notifications", NotificationReader
    answers = {"delivered": NotificationMarked, "read": NotificationMarked}
    action_permissions = {
        "delivered": ["mission_control.change_notification"],
        "read": ["mission_control.change_notification"],
    }

    def delivered(self, request: Request, pk: str) -> Response:
        notifications.mark_delivered(self.find(pk))
        return self._marked(pk)

    def read(self, request: Request, pk: str) -> Response:
        notifications.mark_read(self.find(pk))
        return self._marked(pk)

    def _marked(self, pk: str) -> Response:
        """Answer as PocketPaw does, and add the current state of the notification."""
        marked: Notification = self.find(pk)
        return Response(
            {
                "success": True,
                "message": f"Notification marked as {self.action}",
                "notification": self.reader(marked).data,
            }
        )
