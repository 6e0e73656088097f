"""The forms of projects, plans and documents."""

from typing import Any

from django import forms

from agents.models import Agent
from agents.rules import DOCUMENT_TITLE_CHARS, GOAL_CHARS, is_blank
from mission_control.models import Deliverable, Project, Task
from mission_control.web.shared.conflicts import Contested
from mission_control.web.shared.field_groups import FieldGroups, TextArea, noted
from mission_control.web.shared.fields import (
    ContentField,
    DescriptionField,
    LongText,
    PriorityField,
    TagsField,
    TaskTypeField,
    TitleField,
    tags_text,
)

DEPTHS = [
    ("auto", "Auto"),
    ("none", "None"),
    ("quick", "Quick"),
    ("standard", "Standard"),
    ("deep", "Deep"),
]


class GoalForm(FieldGroups, forms.Form):
    """The goal of a new project, and how much research the planner does."""

    ids = "goal-%s"
    description = LongText(
        label="Goal",
        help_text=("What should exist at the end, for whom, and what to avoid. A few sentences are enough."),
        widget=TextArea({"class": "goal-text"}),
        required=True,
        min_length=GOAL_CHARS[0],
        max_length=GOAL_CHARS[1],
        error_messages={
            "required": "Describe what you want done.",
            "min_length": f"Enter at least {GOAL_CHARS[0]} characters.",
        },
    )
    research_depth = forms.ChoiceField(
        label="Research before planning",
        help_text="Deeper research takes longer and costs more.",
        choices=DEPTHS,
        required=False,
    )

    def clean_description(self) -> str:
        text: str = self.cleaned_data["description"]
        if is_blank(text):
            raise forms.ValidationError("Describe what you want done.")
        return text

    def clean_research_depth(self) -> str:
        return self.cleaned_data["research_depth"] or "auto"


class AgentlessForm(forms.Form):
    """The agent to assign to all tasks that have none."""

    agent = forms.ModelChoiceField(Agent.objects.all())


class ProjectForm(FieldGroups, forms.Form):
    """A project's own fields."""

    ids = "project-%s"
    title = TitleField()
    description = DescriptionField(label=noted("Description", "optional"))
    tags = TagsField(label=noted("Tags", "comma-separated"))


class ProjectEdit(Contested, ProjectForm):
    """A project's own fields and its team."""

    description = DescriptionField()
    team_agents = forms.ModelMultipleChoiceField(Agent.objects.all(), required=False)

    @classmethod
    def of(cls, project: Project) -> "ProjectEdit":
        team = [str(agent.pk) for agent in project.team_agents.all()]
        return cls(
            initial={
                "title": project.title,
                "description": project.description,
                "tags": tags_text(project.tags),
                "team_agents": team,
            }
        )


class RequirementsForm(FieldGroups, Contested, forms.Form):
    """The requirements document, in Markdown."""

    ids = "document-%s"
    content = ContentField(
        label=noted("Text", "Markdown, included in every prompt of this project"),
        widget=TextArea({"class": "prd-text mono", "spellcheck": "true"}),
    )


class DocumentForm(RequirementsForm):
    """A document: title, type, tags and text."""

    title = TitleField(max_length=DOCUMENT_TITLE_CHARS, widget=forms.TextInput({"autocomplete": "off"}))
    type = forms.ChoiceField(choices=Deliverable.Type.choices, widget=forms.Select({"autocomplete": "off"}))
    tags = TagsField(label=noted("Tags", "comma-separated"), widget=forms.TextInput({"autocomplete": "off"}))
    content = ContentField(
        label=noted("Text", "Markdown"), widget=TextArea({"class": "prd-text mono", "spellcheck": "true"})
    )

    @classmethod
    def of(cls, document: Deliverable) -> "DocumentForm":
        texts = {name: getattr(document, name) for name in ("title", "type", "content")}
        return cls(initial={**texts, "tags": tags_text(document.tags)})


class AgentWithRole(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic in its stubs only
    """A choice of one agent, each shown with its role."""

    def label_from_instance(self, obj: Agent) -> str:
        return f"{obj.name}, {obj.role}"


class PlanTaskForm(FieldGroups, Contested, forms.Form):
    """A task of a plan: its texts, its agent, and its blockers."""

    ids = "plan-%s"
    title = TitleField()
    description = DescriptionField()
    task_type = TaskTypeField(label="Type")
    priority = PriorityField()
    assignee = AgentWithRole(Agent.objects.all(), label="Agent", empty_label="Unassigned", required=False)
    blocked_by = forms.ModelMultipleChoiceField(Task.objects.none(), required=False)

    def __init__(self, *args: Any, project: Project, task: Task | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = Task.objects.filter(project=project).only("pk", "title").order_by("created_at", "id")
        self.fields["blocked_by"].queryset = others.exclude(pk=task.pk) if task else others  # type: ignore[attr-defined]

    @classmethod
    def of(cls, task: Task, project: Project) -> "PlanTaskForm":
        first = next(iter(task.assignments.all()), None)
        return cls(
            project=project,
            task=task,
            initial={
                "title": task.title,
                "description": task.description,
                "task_type": task.task_type,
                "priority": task.priority,
                "assignee": first and str(first.agent_id),
                "blocked_by": [str(key) for key in task.blocker_ids],
            },
        )
