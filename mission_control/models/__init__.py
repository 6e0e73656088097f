"""The models, their constraints, and querysets named by adjectives. Only actions/ and runs/ change their rows."""

from mission_control.models import search  # noqa: F401 - registers the lookup
from mission_control.models.access import AccessToken
from mission_control.models.attached_file import AttachedFile
from mission_control.models.capacity import Capacity
from mission_control.models.deliverable import Deliverable, DeliverableVersion
from mission_control.models.feed import Activity, Message, Notification
from mission_control.models.installation import Installation
from mission_control.models.project import Project
from mission_control.models.question import Conversation, Question
from mission_control.models.quota import QuotaGate
from mission_control.models.review import Review
from mission_control.models.run import Run, RunEvent
from mission_control.models.task import Assignment, Task
from mission_control.models.usage import UsageRecord
from mission_control.models.worker import WorkerGroup

__all__ = [
    "AccessToken",
    "Activity",
    "Assignment",
    "AttachedFile",
    "Capacity",
    "Conversation",
    "Deliverable",
    "DeliverableVersion",
    "Installation",
    "Message",
    "Notification",
    "Project",
    "Question",
    "QuotaGate",
    "Review",
    "Run",
    "RunEvent",
    "Task",
    "UsageRecord",
    "WorkerGroup",
]
