"""Questions of agents in the admin: read-only, with an action that answers them."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import helpers
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from agents.rules import DESCRIPTION_CHARS
from mission_control.actions.answers import HOW_TO_DECIDE, parse_answer
from mission_control.actions.permissions import ANSWER_QUESTION
from mission_control.admin.actions import Actions
from mission_control.admin.base import ReadOnly
from mission_control.models import Question
from mission_control.runs import questions


class AnswerForm(forms.Form):
    answer = forms.CharField(
        max_length=DESCRIPTION_CHARS,
        help_text=f"The number, ID or label of an option, or a text. For an approval: {HOW_TO_DECIDE}.",
    )


@admin.register(Question)
class QuestionAdmin(Actions, ReadOnly):
    list_display = ["created_at", "status", "kind", "agent", "task", "__str__", "expires_at", "answered_by"]
    list_filter = ["status", "kind"]
    list_select_related = ["agent", "task", "answered_by"]
    search_fields = ["id", "task__id", "run__id", "text"]
    sortable_by = ["created_at"]
    actions: list[Any] = ["answer_selected"]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Those who may view runs may view questions, which have no permission of their own."""
        return request.user.has_perm("mission_control.view_run")

    def has_answer_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms(ANSWER_QUESTION)

    @admin.action(description="Answer…", permissions=["answer"])
    def answer_selected(self, request: HttpRequest, queryset: QuerySet[Question]) -> HttpResponse | None:
        """Show a page for the answer, then give it to each selected question."""
        form = AnswerForm(request.POST if "give" in request.POST else None)
        if form.is_valid():
            words = form.cleaned_data["answer"]
            self.to_each(
                request,
                queryset,
                lambda question: questions.answer(question.pk, **parse_answer(question, words)),
                "answered",
            )
            return None
        if self.is_too_many(request, queryset):
            return None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Answer",
            "form": form,
            "chosen": queryset,
            "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/answer_questions.html", context)
