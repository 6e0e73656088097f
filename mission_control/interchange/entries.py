"""The rules for objects in a file: the API's rules, and those for fields that only the product itself writes.

Ids of other objects are only checked for their form; the objects may follow later, or be missing.
"""

from typing import Any

from rest_framework import serializers

from agents.models import Agent
from agents.rules import DESCRIPTION_CHARS, DOCUMENT_TITLE_CHARS
from mission_control.actions import agents
from mission_control.api.fields import (
    Choice,
    Content,
    Data,
    Description,
    Flag,
    Id,
    Integer,
    Moment,
    Tags,
    Text,
    Title,
)
from mission_control.api.serializers.agents import AgentWriter
from mission_control.api.serializers.tasks import TaskFields
from mission_control.errors import Invalid
from mission_control.models import Activity, Deliverable, Notification, Project, Task
from mission_control.models.retry import retry_policy

MAX_LINKS = 20_000
PERSON_CHARS = 100  # a longer text cannot be an id; a shorter one is looked up


class Link(Id):
    """The id of another object, or null."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "allow_null": True, **kwargs})


class Links(serializers.ListField):
    """Ids of other objects, without repetitions: possibly more than a request may have, if added repeatedly."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=Id(), required=False, max_length=MAX_LINKS, **kwargs)

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, list) and len(data) > MAX_LINKS:
            self.fail("max_length", max_length=MAX_LINKS)
        return list(dict.fromkeys(super().to_internal_value(data)))


class CreatorId(Text):
    """Null, `human`, or the id of an agent."""

    def __init__(self) -> None:
        super().__init__(max_length=PERSON_CHARS, required=False, allow_null=True, allow_blank=True)


class Time(Moment):
    def __init__(self) -> None:
        super().__init__(required=False, allow_null=True)


class KeptData(Data):
    """Metadata as stored: larger than in a request, because the product adds data such as a goal's analysis."""

    MAX_BYTES, MAX_LEVELS = 16 * Data.MAX_BYTES, 2 * Data.MAX_LEVELS


class KeptContent(Content):
    """A document's content as stored: a run's output is limited in characters, not in bytes."""

    MAX_BYTES = 4 * Content.MAX_BYTES


class Mentions(serializers.ListField):
    """The names that a message mentions, limited only by its text."""

    def __init__(self) -> None:
        super().__init__(child=Text(max_length=DESCRIPTION_CHARS), max_length=DESCRIPTION_CHARS, required=False)


class Entry(serializers.Serializer[Any]):
    id = Id()
    created_at = Time()
    metadata = KeptData(required=False)


class ChangingEntry(Entry):
    """An object that can change after its creation."""

    updated_at = Time()


class AgentEntry(AgentWriter, ChangingEntry):
    fallback_agent_id = Link()  # type: ignore[assignment]  # the agent may follow later in the file
    metadata = KeptData(required=False)
    last_heartbeat = Time()

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        """Apply the rules of actions that the serializer does not have."""
        checked = {name: given[name] for name in ("backend", "backend_options", "metadata") if name in given}
        try:
            agents.check_backend(agent := Agent(**checked))
            agents.check_limits(agent)
        except Invalid as refusal:
            raise serializers.ValidationError(refusal.body) from None
        return given


class ProjectEntry(ChangingEntry):
    title = Title()
    description = Description()
    status = Choice(choices=Project.Status.choices, required=False)
    planner_agent_id = Link()
    team_agent_ids = Links()
    prd_document_id = Link()
    creator_id = CreatorId()
    tags = Tags()
    started_at = Time()
    completed_at = Time()


class TaskEntry(TaskFields, ChangingEntry):
    status = Choice(choices=Task.Status.choices, required=False)
    assignee_ids = Links()
    creator_id = CreatorId()
    project_id = Link()
    parent_task_id = Link()
    blocked_by = Links()
    started_at = Time()
    completed_at = Time()

    def validate_metadata(self, metadata: dict[str, Any]) -> dict[str, Any]:
        retry_policy(metadata)
        return metadata


class DocumentEntry(ChangingEntry):
    title = Title(max_length=DOCUMENT_TITLE_CHARS)
    content = KeptContent(required=False)
    type = Choice(choices=Deliverable.Type.choices, required=False)
    task_id = Link()
    project_id = Link()
    author_id = CreatorId()
    tags = Tags()
    version = Integer(required=False)


class MessageEntry(Entry):
    task_id = Id()
    from_agent_id = CreatorId()
    author = Text(max_length=150, required=False, allow_null=True)
    content = Description(required=True)
    attachment_ids = Links()
    mentions = Mentions()


class ActivityEntry(Entry):
    type = Choice(choices=Activity.Type.choices)
    message = Description(required=True)
    agent_id = Link()
    task_id = Link()
    document_id = Link()


class NotificationEntry(Entry):
    type = Choice(choices=[*Activity.Type.choices, *Notification.Type.choices])
    content = Description(required=True)
    agent_id = Link()
    source_message_id = Link()
    source_task_id = Link()
    delivered = Flag(required=False)
    read = Flag(required=False)
    delivered_at = Time()
