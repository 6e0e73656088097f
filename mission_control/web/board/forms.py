"""The forms of the board: a new task, the first agent, and moving a card."""

from typing import Any
from uuid import UUID

from django import forms
from django.utils.text import Truncator

from agents.backends import registry
from agents.models import Agent
from agents.rules import NAME_CHARS
from mission_control.models import Project, Task
from mission_control.web.shared.field_groups import FieldGroups, OfferedRows, TextArea, noted
from mission_control.web.shared.fields import (
    DescriptionField,
    DueField,
    PriorityField,
    TagsField,
    TaskTypeField,
    TitleField,
    VisibleText,
)

GONE = "This no longer exists. Choose another."
MAX_CHOICES, PROJECT_CHARS = 200, 60


def agents_offered() -> list[tuple[UUID, str]]:
    """Return agents to choose from, as (id, name)."""
    return list(Agent.objects.values_list("pk", "name")[:MAX_CHOICES])


def projects_offered() -> list[tuple[UUID, str]]:
    """Return projects to choose from, as (id, shortened title)."""
    found = Project.objects.order_by("title", "id").values_list("pk", "title")[:MAX_CHOICES]
    return [(key, Truncator(title).chars(PROJECT_CHARS)) for key, title in found]


class NewTaskForm(FieldGroups, forms.Form):
    """A new task, and the agent that it is assigned to."""

    ids = "n-%s"
    title = TitleField(missing="Title is required.", widget=forms.TextInput({"autofocus": True}))
    description = DescriptionField(
        label=noted("Description", "optional"),
        help_text="Describe the result you want. The agent receives your text verbatim.",
        widget=TextArea({"rows": 4}),
    )
    agent = OfferedRows(
        Agent.objects.all(), offered=agents_offered, none="Unassigned", error_messages={"invalid_choice": GONE}
    )
    project = OfferedRows(
        Project.objects.all(), offered=projects_offered, none="No project", error_messages={"invalid_choice": GONE}
    )
    priority = PriorityField(choices=Task.Priority.choices[::-1], required=False)
    task_type = TaskTypeField(
        label="Type",
        choices=[("agent", "Agent task"), ("human", "Human task"), ("review", "Human review")],
        required=False,
    )
    tags = TagsField(label=noted("Tags", "comma-separated"), widget=forms.TextInput({"maxlength": 3000}))
    due_date = DueField(
        label=noted("Due", "optional"), required=False, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d")
    )


class FirstAgentForm(forms.Form):
    """The first agent: a name and a backend."""

    name = VisibleText(max_length=NAME_CHARS)
    backend = forms.ChoiceField(choices=[])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = list(registry.names())
        self.fields["backend"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]


class MoveForm(forms.Form):
    """The new position of a card: the column, and directly below or above which other card; by default the top."""

    to = forms.ChoiceField(choices=Task.Status.choices)
    below = forms.UUIDField(required=False)
    above = forms.UUIDField(required=False)
