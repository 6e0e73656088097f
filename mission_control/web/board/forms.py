"""The forms of the board: a new task, and the first steps."""

from typing import Any

from django import forms

from agents.backends import registry
from agents.models import Agent
from agents.rules import is_blank
from mission_control.models import Project, Task
from mission_control.web.shared.fields import DueField, TagsField, VisibleText

TITLE_CHARS, DESCRIPTION_CHARS = 200, 50_000
GONE = "This is not there any more: choose another."


class NewTaskForm(forms.Form):
    """What a new task is, and who is to do it."""

    title = VisibleText(max_length=TITLE_CHARS, error_messages={"required": "Say what is to be done."})
    description = forms.CharField(max_length=DESCRIPTION_CHARS, required=False, strip=False)
    project = forms.ModelChoiceField(
        Project.objects.all(), required=False, error_messages={"invalid_choice": GONE}
    )
    agent = forms.ModelChoiceField(Agent.objects.all(), required=False, error_messages={"invalid_choice": GONE})
    priority = forms.ChoiceField(choices=Task.Priority.choices, required=False)
    task_type = forms.ChoiceField(choices=Task.Type.choices, required=False)
    tags = TagsField()
    due_date = DueField(required=False)

    def clean_tags(self) -> list[str]:
        """Take tags as they are shown, too: with a # before each."""
        return list(
            dict.fromkeys(tag.lstrip("#") for tag in self.cleaned_data["tags"] if not is_blank(tag.lstrip("#")))
        )

    def clean_priority(self) -> str:
        return self.cleaned_data["priority"] or Task.Priority.MEDIUM

    def clean_task_type(self) -> str:
        return self.cleaned_data["task_type"] or Task.Type.AGENT


class FirstAgentForm(forms.Form):
    """The first agent: a name and a backend."""

    name = VisibleText(max_length=50)
    backend = forms.ChoiceField(choices=[])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = list(registry.names())
        self.fields["backend"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]


class MoveForm(forms.Form):
    """Where a card is put: in which column, and there right below or above which other, else on top."""

    to = forms.ChoiceField(choices=Task.Status.choices)
    below = forms.UUIDField(required=False)
    above = forms.UUIDField(required=False)
