"""Runs and their events in the admin, read-only."""

from typing import Any, cast

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.db.models.functions import Left
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mission_control.admin.actions import RunActions
from mission_control.admin.badges import badge
from mission_control.admin.base import ReadOnly
from mission_control.admin.live import Live
from mission_control.formatting import dollars, full_count
from mission_control.models import Run, RunEvent
from mission_control.runs import events

EVENTS_A_PAGE = 100
SHOWN_CHARS = 10_000
MAX_COUNTED = 10_000


class NewestPages(Paginator):
    """Stops counting at MAX_COUNTED, because PostgreSQL reads every row that it counts; nobody pages that far."""

    @cached_property
    def count(self) -> int:
        return cast("QuerySet[RunEvent]", self.object_list).order_by()[:MAX_COUNTED].count()


@admin.register(Run)
class RunAdmin(Live, RunActions, ReadOnly):
    list_display = [
        "task_title",
        "kind",
        "agent_name",
        "host",
        "state",
        "resumes_at",
        "slot",
        "attempt",
        "tokens",
        "cost",
        "queued_at",
        "finished_at",
        "error",
    ]
    list_filter = ["status", "parked_for", "kind", "end_cause"]
    sortable_by = ["queued_at", "finished_at"]
    search_fields = ["id", "task__id", "task_title", "agent_name", "host"]
    # The strip above shows the current values of the first two, and the page below the beginning of the others.
    exclude = ["status", "last_seq", "prompt", "output"]
    readonly_fields = ["prompt_begins", "output_begins"]

    @admin.display(description="Status", ordering="status")
    def state(self, run: Run) -> SafeString:
        return badge(run)

    @admin.display(description="Tokens in + out")
    def tokens(self, run: Run) -> str | None:
        known = [full_count(number) for number in (run.input_tokens, run.output_tokens) if number is not None]
        return " + ".join(known) or None

    @admin.display(description="Cost", ordering="cost_usd")
    def cost(self, run: Run) -> str | None:
        return None if run.cost_usd is None else dollars(run.cost_usd)

    @admin.display(description="Prompt")
    def prompt_begins(self, run: Run) -> SafeString | str:
        return _beginning(run, "prompt", reverse("api-runs-one", args=[run.pk]), "full prompt (API)")

    @admin.display(description="Output")
    def output_begins(self, run: Run) -> SafeString | str:
        return _beginning(run, "output", reverse("admin:mission_control_run_events", args=[run.pk]), "all events")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        return Run.objects.light()

    def get_urls(self) -> list[Any]:
        events_page: URLPattern = path(
            "<uuid:key>/events/", self.admin_site.admin_view(self.events_view), name="mission_control_run_events"
        )
        return [events_page, *super().get_urls()]

    def events_view(self, request: HttpRequest, key: str) -> HttpResponse:
        """Show a run's log page by page. Event numbers have no gaps, so each page is found by number."""
        run = self.get_queryset(request).filter(pk=key).first()
        if not self.has_view_permission(request, run):
            raise PermissionDenied
        if run is None:
            raise Http404
        pages = Paginator(range(1, run.last_seq + 1), EVENTS_A_PAGE)
        page = pages.get_page(request.GET.get("page"))
        numbers = page.object_list
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Events of {run}",
            "run": run,
            "run_badge": badge(run),
            "page": page,
            "page_numbers": list(pages.get_elided_page_range(page.number)),
            "events": events.after(run.pk, numbers[0] - 1, limit=len(numbers)) if numbers else [],
        }
        return TemplateResponse(request, "admin/run_events.html", context)


@admin.register(RunEvent)
class RunEventAdmin(ReadOnly):
    list_display = ["run", "seq", "type", "timestamp"]
    list_select_related = ["run"]
    paginator = NewestPages
    search_fields = ["run__id"]
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[RunEvent]:
        return super().get_queryset(request).defer("content", "run__output", "run__prompt")


def _beginning(run: Run, field: str, url: str, link: str) -> SafeString | str:
    """Return the beginning of a text, and a link to all of it. Does not load the rest, which may be megabytes."""
    text = Run.objects.filter(pk=run.pk).values_list(Left(field, SHOWN_CHARS + 1), flat=True).get()
    if len(text) <= SHOWN_CHARS:
        return format_html("<pre>{}</pre>", text) if text else "-"
    return format_html(
        '<pre>{}</pre><p>The first {} characters: <a href="{}">{}</a></p>',
        text[:SHOWN_CHARS],
        SHOWN_CHARS,
        url,
        link,
    )
