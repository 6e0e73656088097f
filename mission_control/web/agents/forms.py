"""The form of an agent, without the options of its backend."""

from django import forms

from agents.backends import registry
from agents.models import Agent, default_backend
from agents.rules import NAME_CHARS, ROLE_CHARS
from mission_control.web.shared.conflicts import Contested
from mission_control.web.shared.field_groups import FieldGroups, TextArea, noted
from mission_control.web.shared.fields import DescriptionField, SpecialtiesField, VisibleText, tags_text

MAX_CHOICES = 500


class AgentForm(FieldGroups, Contested, forms.Form):
    """The fields of an agent, and its backend."""

    ids = "agent-%s"
    name = VisibleText(
        help_text="No spaces. Used in @mentions.",
        max_length=NAME_CHARS,
        error_messages={"required": "Name is required."},
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    role = VisibleText(
        max_length=ROLE_CHARS,
        error_messages={"required": "Role is required, for example Writer."},
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    level = forms.ChoiceField(
        help_text="Work by interns always goes to review.",
        choices=Agent.Level.choices,
        initial=Agent.Level.SPECIALIST,
    )
    specialties = SpecialtiesField(
        label=noted("Specialties", "comma-separated"),
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    description = DescriptionField(label=noted("Description", "included in every prompt"), widget=TextArea())
    backend = forms.ChoiceField(
        choices=lambda: [(name, name) for name in registry.names()],
        initial=default_backend,
        error_messages={"invalid_choice": "This backend no longer exists. Choose another."},
    )

    fallback_agent = forms.ChoiceField(
        label="Fallback agent",
        help_text="Continues its runs while the quota of its account is used up.",
        choices=lambda: [("", "None: wait for the quota"), *_other_agents()],
        required=False,
        error_messages={"invalid_choice": "This agent no longer exists. Choose another."},
    )

    @classmethod
    def of(cls, agent: Agent) -> "AgentForm":
        names = ("name", "role", "level", "description", "backend")
        initial = {name: getattr(agent, name) for name in names}
        initial["fallback_agent"] = str(agent.fallback_agent_id or "")
        return cls(initial={**initial, "specialties": tags_text(agent.specialties, mark=SpecialtiesField.mark)})


def _other_agents() -> list[tuple[str, str]]:
    return [(str(key), name) for key, name in Agent.objects.values_list("pk", "name")[:MAX_CHOICES]]
