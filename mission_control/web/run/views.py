"""Views of one run: stretches of its output, the whole log as text, its prompt; and a comparison of two runs."""

import uuid
from collections.abc import AsyncIterator

from channels.db import database_sync_to_async
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from mission_control.models import Run
from mission_control.models.run import RunQuerySet
from mission_control.text import as_uuid
from mission_control.web.run import transcript
from mission_control.web.shared.plain_text import plain
from mission_control.web.shared.views import number_in, sees, show
from mission_control.web.task.rows import RunRow

sees_runs = sees("view_task", "view_run")


@require_safe
@sees_runs
def run_output(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Show a stretch of a run's output: after event `after`, or up to event `upto`, by default the end."""
    run = _run_or_404(run_id, Run.objects.light())
    after = number_in(request, "after")
    stretch = (
        transcript.tail(run, upto=number_in(request, "upto")) if after is None else transcript.behind(run, after)
    )
    return HttpResponse(transcript.markup(run, stretch))


@require_safe
@sees_runs
def run_steps(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Show the end of a run's output, for a page that has the run folded."""
    run = _run_or_404(run_id, Run.objects.light())
    return render(request, "run/_steps.html", {"run": run, "stretch": transcript.tail(run)})


@require_safe
@sees_runs
def run_log(_request: HttpRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """Send a run's whole log as a text file. Reads and sends a few events at a time."""
    run = _run_or_404(run_id, Run.objects.light())
    response = StreamingHttpResponse(_log(run.pk), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="run-{run.attempt}-{str(run.pk)[:8]}.log"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


async def _log(run_id: uuid.UUID) -> AsyncIterator[str]:
    after = 0
    while True:
        piece, after = await database_sync_to_async(transcript.piece_of_log)(run_id, after)
        if not piece:
            return
        yield piece


@require_safe
@sees_runs
def run_prompt(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Show the exact prompt that the agent received."""
    run = _run_or_404(run_id, Run.objects.defer("output").select_related("task"))
    return show(request, "run/prompt.html", {"run": run, "prompt": plain(run.prompt)}, at="board")


@require_safe
@sees_runs
def compare(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """Show two runs of a task side by side, the older one on the left. The parameter `run` is given twice."""
    keys = [key for text in request.GET.getlist("run")[:2] if (key := as_uuid(text))]
    light = Run.objects.light().select_related("task").order_by("queued_at", "id")
    runs = list(light.filter(task_id=task_id, pk__in=keys))
    if len(runs) != 2 or len(request.GET.getlist("run")) > 2:
        messages.warning(request, "Choose two runs to compare.", extra_tags="warn")
        return HttpResponseRedirect(f"{reverse('task', args=[task_id])}#runs")
    sides = [{"row": RunRow(run), "stretch": transcript.tail(run)} for run in runs]
    return show(request, "run/compare.html", {"task": runs[0].task, "sides": sides}, at="board")


def _run_or_404(run_id: uuid.UUID, runs: RunQuerySet) -> Run:
    return get_object_or_404(runs, pk=run_id)
