"""Questions of agents, which people answer."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from mission_control.actions.permissions import ANSWER_QUESTION
from mission_control.api import querysets
from mission_control.api.filters import QuestionFilter
from mission_control.api.schema import one_of
from mission_control.api.serializers.questions import AnswerRequest, QuestionReader
from mission_control.api.views.base import ObjectViews
from mission_control.errors import Invalid, NotOpen
from mission_control.runs import questions

VIEW = ["mission_control.view_run"]


class QuestionViews(ObjectViews):
    """Questions of agents, and tool calls that need approval, newest first."""

    queryset = querysets.questions()
    filterset_class = QuestionFilter
    noun, one, many, reader = "Question", "question", "questions", QuestionReader
    writers = {"give_answer": AnswerRequest}
    answers = {"give_answer": one_of("question", QuestionReader)}
    refusals = {"give_answer": [NotOpen, Invalid]}
    action_permissions = {"list": VIEW, "retrieve": VIEW, "metadata": VIEW, "give_answer": ANSWER_QUESTION}

    def retrieve(self, request: Request, pk: str) -> Response:
        return self.answer(self.find(pk))

    @extend_schema(operation_id="questions_answer")
    def give_answer(self, request: Request, pk: str) -> Response:
        """Answer the question; its parked run continues. 409, with the question, if it is not open any more."""
        question = self.find(pk)
        assert request.user.is_authenticated, "change_run is required"
        try:
            questions.answer(question.pk, **self.given(), by=request.user)
        except NotOpen as refusal:
            refusal.body["question"] = self.reader(refusal.question).data
            raise
        return self.answer(self.find(pk))
