"""The one form of the page."""

from django import forms

from agents.models import Agent


class RunForm(forms.Form):
    """Who runs the task, and what to do when no slot is free."""

    agent = forms.ModelChoiceField(
        Agent.objects.all(),
        error_messages={"required": "Choose an agent.", "invalid_choice": "This agent does not exist any more."},
    )
    when_full = forms.ChoiceField(choices=[("reject", "Refuse"), ("queue", "Wait")], required=False)
    ignore_dependencies = forms.BooleanField(required=False)

    def clean_when_full(self) -> str:
        return self.cleaned_data["when_full"] or "reject"

    @property
    def first_error(self) -> str:
        return next(str(errors[0]) for errors in self.errors.values())
