"""Serializers to read questions, to answer them, and to write messages to running agents."""

from collections.abc import Iterable
from typing import Any, NotRequired, TypedDict
from uuid import UUID

from rest_framework import serializers

from mission_control.api import querysets
from mission_control.api.fields import Choice, Description, Text
from mission_control.api.serializers.feed import Attachments
from mission_control.api.serializers.reader import Reader
from mission_control.api.serializers.tasks import MessageReader
from mission_control.models import Message, Question
from mission_control.runs.questions import DECISIONS, OPTION_ID_CHARS


class QuestionOption(TypedDict):
    """One of the answers that a question offers."""

    id: str
    label: str


class RequestedTool(TypedDict):
    """The tool call that an agent wants approved."""

    name: str
    input: dict[str, Any]


class QuestionAnswer(TypedDict):
    """The answer to a question: a choice, a text, or a decision with its reason."""

    choice: NotRequired[str]
    text: NotRequired[str]
    decision: NotRequired[str]
    reason: NotRequired[str]


class QuestionReader(Reader):
    """A question of an agent, or a tool call that needs approval."""

    run_id = serializers.UUIDField()
    task_id = serializers.UUIDField(allow_null=True)
    project_id = serializers.UUIDField(allow_null=True)
    agent_id = serializers.UUIDField(allow_null=True)
    options = serializers.SerializerMethodField(help_text="The answers to choose from; empty for free text.")
    tool = serializers.SerializerMethodField(help_text="The tool call to approve; null for a question.")
    default = serializers.SerializerMethodField(
        "get_taken_default", help_text="Taken as the answer at `expires_at`; null: the run then ends in error."
    )
    answer = serializers.SerializerMethodField(
        help_text="Null without one. An expired question may have its default."
    )
    answered_by = serializers.SerializerMethodField()

    class Meta:
        model = Question
        fields = [
            "id",
            "run_id",
            "task_id",
            "project_id",
            "agent_id",
            "kind",
            "text",
            "options",
            "tool",
            "default",
            "expires_at",
            "status",
            "answer",
            "answered_by",
            "answered_at",
            "created_at",
        ]
        read_only_fields = fields

    def get_options(self, question: Question) -> list[QuestionOption]:
        return [QuestionOption(id=option["id"], label=option["label"]) for option in question.options]

    def get_tool(self, question: Question) -> RequestedTool | None:
        if question.tool is None:
            return None
        return RequestedTool(name=question.tool["name"], input=question.tool["input"])

    def get_taken_default(self, question: Question) -> str | None:
        return question.default or None

    def get_answer(self, question: Question) -> QuestionAnswer | None:
        given: QuestionAnswer | None = question.answer
        return given

    def get_answered_by(self, question: Question) -> str | None:
        return question.answered_by.get_username() if question.answered_by else None


class AnswerRequest(serializers.Serializer):
    """One of `choice`, `text` and `decision`."""

    choice = Text(
        max_length=OPTION_ID_CHARS, required=False, trim_whitespace=False, help_text="The id of an option."
    )
    text = Description(allow_blank=False, help_text="A free answer to a question.")
    decision = Choice(choices=list(DECISIONS), required=False, help_text="For an approval.")
    reason = Description(help_text="Only with a decision: why, for the agent.")


class RunMessageRequest(serializers.Serializer):
    content = Description(required=True, allow_blank=False)
    attachment_ids = Attachments(source="attachments")


class RunMessageSent(serializers.Serializer):
    message = MessageReader()
    delivery = serializers.ChoiceField(
        choices=Message.Delivery.choices,
        help_text="live: while the agent works; next_turn: at its next turn, or when the run continues.",
    )


def shown_questions(keys: Iterable[UUID]) -> list[dict[str, Any]]:
    """Return questions as the API shows them, for their frames."""
    return list(QuestionReader(querysets.questions().filter(pk__in=keys), many=True).data)
