"""The forms of a task's page."""

from collections.abc import Mapping
from typing import Any

from django import forms

from agents.models import Agent
from agents.rules import DESCRIPTION_CHARS
from mission_control.errors import Invalid
from mission_control.models import Project, Task
from mission_control.web.shared.fields import (
    DescriptionField,
    DueField,
    Minutes,
    PriorityField,
    TagsField,
    TaskTypeField,
    TitleField,
    VisibleText,
)

BY_HAND = [choice for choice in Task.Status.choices if choice[0] != Task.Status.SKIPPED]


class ValidatingForm(forms.Form):
    """A form that raises Invalid instead of being shown again: the page shows the error in a notice."""

    def validated_data(self) -> dict[str, Any]:
        """Return the cleaned data. Raises Invalid with the first error."""
        if not self.is_valid():
            name, errors = next(iter(self.errors.items()))
            label = self.fields[name].label or name.replace("_", " ").capitalize()
            raise Invalid(name, f"{label}: {errors[0]}")
        return self.cleaned_data


class EditForm(ValidatingForm):
    """The fields of a task that can be edited on its page. Only submitted fields are changed."""

    title = TitleField()
    description = DescriptionField()
    status = forms.ChoiceField(choices=BY_HAND)
    priority = PriorityField()
    task_type = TaskTypeField(label="Type")
    project = forms.ModelChoiceField(Project.objects.all(), required=False)
    tags = TagsField()
    due_date = DueField(required=False, label="Due")
    estimated_minutes = Minutes(label="Estimate")

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__(given)
        for name in set(self.fields) - set(given):
            del self.fields[name]


class AssignForm(ValidatingForm):
    """The agents to assign; they replace the assigned ones."""

    agents = forms.ModelMultipleChoiceField(Agent.objects.all(), required=False)


class DependForm(ValidatingForm):
    """A blocker to add or to remove."""

    add = forms.ModelChoiceField(Task.objects.all(), required=False, label="Task")
    remove = forms.ModelChoiceField(Task.objects.all(), required=False, label="Task")


class MessageForm(ValidatingForm):
    """A message for the task's thread."""

    content = VisibleText(
        max_length=DESCRIPTION_CHARS, label="Message", error_messages={"required": "Message is required."}
    )
    then = forms.ChoiceField(choices=[("run", "Send and run")], required=False)

    def clean_content(self) -> str:
        return str(self.cleaned_data["content"]).replace("\r\n", "\n")


class ReviewForm(ValidatingForm):
    """The decision of a review; requesting changes requires feedback."""

    decision = forms.ChoiceField(choices=[("approve", "Approve"), ("changes", "Request changes")])
    feedback = VisibleText(max_length=DESCRIPTION_CHARS, required=False, label="Request changes")

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if given.get("decision") == "changes" and not given.get("feedback"):
            self.add_error("feedback", "describe what should change in the next attempt.")
        return given


class RunForm(forms.Form):
    """The agent that runs the task, and what to do when no slot is free."""

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
