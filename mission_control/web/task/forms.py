"""The forms of a task's page. Each takes what it is given, and says in words what is wrong with it."""

from collections.abc import Mapping
from typing import Any

from django import forms

from agents.models import Agent
from agents.rules import DESCRIPTION_CHARS
from mission_control.errors import Invalid
from mission_control.models import Project, Task
from mission_control.web.shared.fields import (
    Description,
    DueField,
    Minutes,
    Priority,
    TagsField,
    TaskType,
    Title,
    VisibleText,
)

BY_HAND = [choice for choice in Task.Status.choices if choice[0] != Task.Status.SKIPPED]


class Told(forms.Form):
    """A form that raises Invalid instead of being drawn again: the page says it beside what was there."""

    def told(self) -> dict[str, Any]:
        """Return what was given. Raises Invalid with the first error."""
        if not self.is_valid():
            name, errors = next(iter(self.errors.items()))
            label = self.fields[name].label or name.replace("_", " ").capitalize()
            raise Invalid(name, f"{label}: {errors[0]}")
        return self.cleaned_data


class EditForm(Told):
    """What of a task can be changed in place. Only what is sent is changed."""

    title = Title()
    description = Description()
    status = forms.ChoiceField(choices=BY_HAND)
    priority = Priority()
    task_type = TaskType(label="Type")
    project = forms.ModelChoiceField(Project.objects.all(), required=False)
    tags = TagsField()
    due_date = DueField(required=False, label="Due")
    estimated_minutes = Minutes(label="Estimate")

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__(given)
        for name in set(self.fields) - set(given):
            del self.fields[name]


class AssignForm(Told):
    """Who is assigned, instead of those who were."""

    agents = forms.ModelMultipleChoiceField(Agent.objects.all(), required=False)


class DependForm(Told):
    """A task to wait for, or one to wait for no longer."""

    add = forms.ModelChoiceField(Task.objects.all(), required=False, label="Task")
    remove = forms.ModelChoiceField(Task.objects.all(), required=False, label="Task")


class MessageForm(Told):
    """A message for the thread."""

    content = VisibleText(
        max_length=DESCRIPTION_CHARS, label="Message", error_messages={"required": "Message is required."}
    )

    def clean_content(self) -> str:
        return str(self.cleaned_data["content"]).replace("\r\n", "\n")


class ReviewForm(Told):
    """A decision, and for a request of changes the words that say which."""

    decision = forms.ChoiceField(choices=[("approve", "Approve"), ("changes", "Request changes")])
    feedback = VisibleText(max_length=DESCRIPTION_CHARS, required=False, label="Request changes")

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if given.get("decision") == "changes" and not given.get("feedback"):
            self.add_error("feedback", "describe what should change in the next attempt.")
        return given


class RunForm(forms.Form):
    """Who runs the task, and what to do when no slot is free."""

    agent = forms.ModelChoiceField(
        Agent.objects.all(),
        error_messages={"required": "Choose an agent.", "invalid_choice": "This agent no longer exists."},
    )
    when_full = forms.ChoiceField(choices=[("reject", "Refuse"), ("queue", "Queue")], required=False)
    ignore_dependencies = forms.BooleanField(required=False)

    def clean_when_full(self) -> str:
        return self.cleaned_data["when_full"] or "reject"

    @property
    def first_error(self) -> str:
        return next(str(errors[0]) for errors in self.errors.values())
