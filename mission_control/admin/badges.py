"""Status badges of the admin: a colour, an icon and a word."""

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mission_control.models import Project, Run, Task

# The icons are those of the web pages: `s-` for tasks, `r-` for runs. Projects use icons of both.
SHAPES: dict[tuple[type[Model], str], str] = {
    **{(Task, status.value): f"s-{status.value}" for status in Task.Status},
    **{(Run, status.value): f"r-{status.value}" for status in Run.Status},
    (Project, "draft"): "s-inbox",
    (Project, "planning"): "think",
    (Project, "awaiting_approval"): "s-review",
    (Project, "approved"): "s-assigned",
    (Project, "executing"): "r-running",
    (Project, "paused"): "r-waiting",
    (Project, "completed"): "r-completed",
    (Project, "failed"): "r-error",
}


def badge(of: Task | Run | Project) -> SafeString:
    """Return the status of a task, run or project as an HTML badge."""
    return format_html(
        '<span class="mc-badge" data-status="{}"><svg aria-hidden="true"><use href="#i-{}"/></svg>'
        "<span data-word>{}</span></span>",
        of.status,
        SHAPES[type(of), of.status],
        of.get_status_display(),
    )


def change_url(of: Model) -> str:
    """Return the URL of the object's change page."""
    return reverse(f"admin:{of._meta.app_label}_{of._meta.model_name}_change", args=[of.pk])


def linked_badge(run: Run | None) -> SafeString | str:
    """Return a badge of the run's status that links to the run; a dash if there is no run."""
    return "-" if run is None else format_html('<a href="{}">{}</a>', change_url(run), badge(run))
