"""Filters of lists. Ids are typed in, not chosen from a list; a malformed one is an error (400)."""

from datetime import UTC, date, datetime, time
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django_filters import rest_framework as filters
from rest_framework.views import APIView

from agents.models import Agent
from agents.rules import SEARCH_CHARS, TAG_CHARS
from mission_control.models import Deliverable, Notification, Project, Question, Run, Task
from mission_control.models.search import has_text
from mission_control.models.tags import TaggedAny
from mission_control.models.task import priority_rank
from mission_control.queries import usage
from mission_control.text import as_day


class IdField(forms.UUIDField):
    """An id. A text of white space alone is an error: taken as a missing filter, it would give every row."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value and not value.strip():
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class IdFilter(filters.UUIDFilter):
    field_class = IdField


class AgentFilter(filters.FilterSet):
    status = filters.ChoiceFilter(field_name="derived_status", choices=Agent.Status.choices)


class TagsFilter(filters.CharFilter):
    """`a,b`: the rows with any of these tags, including a tag that itself contains the comma."""

    def __init__(self) -> None:
        super().__init__(max_length=3_000, label="Tags")

    def filter(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        wanted = _tags_in(value or "")
        return rows.filter(TaggedAny(wanted)) if wanted else rows


def _tags_in(text: str) -> set[str]:
    """Return every tag that the text may name: each part, and adjacent parts joined by their commas."""
    parts = text.split(",")
    named = set()
    for start in range(len(parts)):
        for end in range(start + 1, len(parts) + 1):
            tag = ",".join(parts[start:end]).strip()
            if len(tag) > TAG_CHARS:
                break
            named.add(tag)
    return named - {""}


class TaskOrdering(filters.OrderingFilter):
    """Sorts by fields; `-` before one reverses its order. Priority goes from urgent to low; the id breaks ties."""

    FIELDS = ("updated_at", "created_at", "due_date", "title", "status", "priority")

    def __init__(self) -> None:
        super().__init__(fields=[(name, name) for name in self.FIELDS])

    def filter(self, rows: QuerySet[Any], value: list[str] | None) -> QuerySet[Any]:
        if not value:
            return rows
        order = [name.replace("priority", "rank") for name in value]
        ranked: QuerySet[Any] = rows.annotate(rank=priority_rank())
        return ranked.order_by(*order, "id")


class TaskFilter(filters.FilterSet):
    status = filters.ChoiceFilter(choices=Task.Status.choices)
    priority = filters.ChoiceFilter(choices=Task.Priority.choices)
    task_type = filters.ChoiceFilter(choices=Task.Type.choices)
    assignee_id = IdFilter(field_name="assignments__agent_id")
    project_id = IdFilter()
    tags = TagsFilter()
    search = filters.CharFilter(method="filter_search", max_length=SEARCH_CHARS, label="Search")
    ordering = TaskOrdering()

    def filter_search(self, rows: QuerySet[Task], name: str, value: str) -> QuerySet[Task]:
        return rows.filter(has_text(value, "title", "description"))


class ProjectFilter(filters.FilterSet):
    status = filters.ChoiceFilter(choices=Project.Status.choices)


class DocumentFilter(filters.FilterSet):
    type = filters.ChoiceFilter(choices=Deliverable.Type.choices)
    task_id = IdFilter()
    project_id = IdFilter()
    tags = TagsFilter()


class RunFilter(filters.FilterSet):
    status = filters.ChoiceFilter(choices=Run.Status.choices)
    parked_for = filters.ChoiceFilter(choices=Run.ParkedFor.choices)
    kind = filters.ChoiceFilter(choices=Run.Kind.choices)
    task_id = IdFilter()
    agent_id = IdFilter()
    project_id = IdFilter()


class QuestionFilter(filters.FilterSet):
    status = filters.ChoiceFilter(choices=Question.Status.choices)
    task_id = IdFilter()
    run_id = IdFilter()
    agent_id = IdFilter()


class ActivityFilter(filters.FilterSet):
    agent_id = IdFilter()
    task_id = IdFilter()


class FlagField(forms.NullBooleanField):
    """True or false in any of the usual spellings; anything else is an error, not a missing filter."""

    widget = forms.Select(choices=[("", "---------"), ("true", "yes"), ("false", "no")])
    SPELLINGS = {
        **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
        **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
    }

    def to_python(self, value: Any) -> Any:
        if value in (None, ""):
            return None
        spelling = value.strip().lower() if isinstance(value, str) else value
        if spelling not in self.SPELLINGS:
            raise ValidationError("Must be true or false.")
        return self.SPELLINGS[spelling]


class MissingFilter(filters.BooleanFilter):
    """`true`: only rows whose time is not set yet."""

    field_class = FlagField

    def __init__(self, field_name: str) -> None:
        super().__init__(field_name=field_name, widget=FlagField.widget)
        self.missing = Q((field_name, None))

    def filter(self, rows: QuerySet[Notification], value: bool | None) -> QuerySet[Notification]:
        return rows.filter(self.missing) if value else rows


class NotificationFilter(filters.FilterSet):
    agent_id = IdFilter()
    undelivered_only = MissingFilter("delivered_at")
    unread_only = MissingFilter("read_at")


class DayField(forms.DateField):
    """A day in the format of ISO 8601; no other format is accepted."""

    def to_python(self, value: Any) -> date | None:
        if not value:
            return None
        if (day := as_day(value)) is not None:
            return day
        raise ValidationError("Must be a day such as 2026-11-23.")


class DayFilter(filters.DateFilter):
    """Rows whose run ended on that UTC day or later (`gte`), or on that day or earlier (`lte`)."""

    field_class = DayField

    def __init__(self, lookup_expr: str, moment: time, label: str) -> None:
        super().__init__(field_name="finished_at", lookup_expr=lookup_expr, label=label)
        self.moment = moment

    def filter(self, rows: QuerySet[Any], value: date | None) -> QuerySet[Any]:
        return super().filter(rows, value and datetime.combine(value, self.moment, UTC))


class GroupBy(filters.BaseCSVFilter, filters.ChoiceFilter):
    """`a,b`: one row for each existing pair. Must be the last filter, because it turns the runs into sums."""

    def __init__(self) -> None:
        super().__init__(choices=[(name, name) for name in usage.GROUPS], label="Group by (default: day)")

    def filter(self, rows: QuerySet[Any], value: list[str] | None) -> QuerySet[Any]:
        wanted = [name for name in value or [] if name]
        return usage.sums(rows, by=list(dict.fromkeys(wanted)) or ["day"])


# `from` is a keyword of Python, so a class body cannot assign it.
UsageFilter = type(
    "UsageFilter",
    (filters.FilterSet,),
    {
        "from": DayFilter("gte", time.min, "From this day on"),
        "to": DayFilter("lte", time.max, "To the end of this day"),
        "group_by": GroupBy(),
    },
)


class ListFilters(filters.DjangoFilterBackend):
    """Filters a list by the query. Without a filter in it nothing is built: a form is a tenth of a list's time."""

    def filter_queryset(self, request: HttpRequest, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        kind = self.get_filterset_class(view, queryset)
        if kind is None:
            return queryset
        is_wanted = not kind.base_filters.keys().isdisjoint(request.GET)
        acts_always = any(isinstance(one, GroupBy) for one in kind.base_filters.values())
        return super().filter_queryset(request, queryset, view) if is_wanted or acts_always else queryset
