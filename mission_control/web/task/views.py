"""Views of one task: its page, and the actions on it."""

import uuid
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import wraps

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mission_control.actions import conversation, documents, permissions, reviews, task_runs, tasks
from mission_control.actions.locking import locked
from mission_control.actions.permissions import Rights
from mission_control.errors import FollowUpKept, Invalid, NotParked, Refusal
from mission_control.models import Activity, AttachedFile, Deliverable, Run, Task
from mission_control.runs.admission import admit
from mission_control.runs.parking import continue_now
from mission_control.text import as_uuid
from mission_control.web.run import transcript
from mission_control.web.shared import conflicts
from mission_control.web.shared.conflicts import EditConflict
from mission_control.web.shared.views import by_script, number_in, person_of, sees, sees_tasks, show
from mission_control.web.task.attachments import AttachForm, AttachingMessageForm, keep_files, put_into_folder
from mission_control.web.task.forms import AssignForm, DependForm, EditForm, ReviewForm, RunForm
from mission_control.web.task.page import TEXTS, TaskPage
from mission_control.web.task.queries import shown_task
from mission_control.web.task.reach import partner_of
from mission_control.web.task.refusals import Refused

LAST_AGENT = "last_agent"  # in the session: the agent that the user started last


# ---------------------------------------------------------------- page
@require_safe
@sees_tasks
def task_page(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """Show one task, with the end of its newest run's output, or the requested part of a run's output."""
    return _show_page(request, _page_of(request, task_id))


def _show_page(request: HttpRequest, page: TaskPage, *, status: int = 200) -> HttpResponse:
    upto = number_in(request, "upto")
    stretch = transcript.tail(page.shown.run, upto=upto) if page.shown else transcript.Stretch()
    context = {
        "page": page,
        "stretch": stretch,
        "upto": upto,
        "follows": page.follows and upto is None,
        "reads": page.may.view_run,
    }
    return show(request, "task/task.html", context, at="board", status=status)


@require_safe
@sees_tasks
def task_parts(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """Show all changing parts of the page except the output. JavaScript replaces the old parts with them."""
    return _parts(request, task_id)


def _parts(
    request: HttpRequest, task_id: uuid.UUID, *, refused: Refused | None = None, text: str = "", status: int = 200
) -> HttpResponse:
    page = _page_of(request, task_id)
    return render(request, "task/_parts.html", {"page": page, "notice": refused, "message": text}, status=status)


def _page_of(request: HttpRequest, task_id: uuid.UUID) -> TaskPage:
    task = get_object_or_404(shown_task(), pk=task_id)
    chosen_run, chosen_agent = as_uuid(request.GET.get("run")), as_uuid(request.POST.get("agent"))
    return TaskPage(
        task,
        Rights(request.user),
        chosen_run=chosen_run,
        chosen_agent=chosen_agent,
        last_agent=as_uuid(request.session.get(LAST_AGENT)),
        requested_runs=number_in(request, "runs"),
        requested_messages=number_in(request, "messages"),
    )


# ---------------------------------------------------------------- actions
# What became of a message, by its delivery.
SENT = {"": "Sent.", "live": "Sent to {name}.", "next_turn": "Sent. {name} gets it at its next turn."}
TaskAction = Callable[[HttpRequest, Task], str]
View = Callable[[HttpRequest, uuid.UUID], HttpResponseBase]


def action(*needed: str) -> Callable[[TaskAction], View]:
    """Make a view from a function that does one thing to a task and returns a sentence that says what it did.

    The view requires POST and the permissions `needed`. It shows a refusal with the next step: JavaScript gets the
    current parts of the page, a plain form gets a redirect and a message.
    """

    def decorate(act: TaskAction) -> View:
        @require_POST
        @sees("view_task", *needed)
        @wraps(act)
        def view(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
            task = get_object_or_404(Task, pk=task_id)
            try:
                text = act(request, task)
            except Refusal as refusal:
                return _refuse(request, task, refusal)
            return _answer(request, task, text=text)

        return view

    return decorate


@action(*permissions.RUN_TASK)
def run_task(request: HttpRequest, task: Task) -> str:
    """Run the task with the chosen agent."""
    form = RunForm(request.POST)
    if not form.is_valid():
        raise Invalid("agent", form.first_error)
    agent = form.cleaned_data["agent"]
    run = admit(
        task,
        agent,
        by=person_of(request),
        when_full=form.cleaned_data["when_full"],
        ignore_dependencies=form.cleaned_data["ignore_dependencies"],
    )
    request.session[LAST_AGENT] = str(agent.pk)
    return "Queued." if run.status == Run.Status.WAITING else f"{agent.name} started."


@action(*permissions.STOP_RUN)
def stop_task(_request: HttpRequest, task: Task) -> str:
    """Stop the task's active run. Waits at most two seconds for its end."""
    return "Stopping the run…" if task_runs.stop_task(task).is_active else "Stopped."


@action(*permissions.RUN_TASK)
def resume_task(request: HttpRequest, task: Task) -> str:
    """Let the task's run continue that waits for a quota: try it now, or use the chosen agent."""
    agent = None
    if "agent" in request.POST:
        form = RunForm(request.POST)
        if not form.is_valid():
            raise Invalid("agent", form.first_error)
        agent = form.cleaned_data["agent"]
    run = Run.objects.parked().light().filter(task=task).first()
    if run is None:
        raise NotParked
    run = continue_now(run, agent=agent)
    return "Queued." if run.status == Run.Status.WAITING else f"{run.agent_name} continues."


@action(*permissions.CHANGE_TASK)
def edit_task(request: HttpRequest, task: Task) -> str:
    """Change the submitted fields: title, description or properties. Raises EditConflict on an edit conflict.

    Locks the task's row if the form has a basis.
    """
    changes = EditForm(request.POST).validated_data()
    due = changes.get("due_date")
    if due and task.due_day == due.date():
        del changes["due_date"]  # the page shows only the day: keep a time that the API has set
    if "basis" not in request.POST:
        tasks.change(task, **changes)
        return "Saved."
    edits = Activity.objects.filter(task=task, is_edit=True)
    with transaction.atomic():
        now = locked(task)
        texts = {name: getattr(now, name) for name in TEXTS}
        tasks.change(
            task,
            **conflicts.changed_only(changes, texts, request.POST["basis"], edits=edits, user=person_of(request)),
        )
    return "Saved."


@action(*permissions.CHANGE_TASK)
def assign_task(request: HttpRequest, task: Task) -> str:
    """Assign these agents instead of the current ones."""
    chosen = list(AssignForm(request.POST).validated_data()["agents"])
    tasks.reassign(task, chosen)
    return "Assigned." if chosen else "Unassigned."


@action(*permissions.CHANGE_TASK)
def change_dependencies(request: HttpRequest, task: Task) -> str:
    """Add or remove a blocker of the task."""
    given = DependForm(request.POST).validated_data()
    tasks.change_blockers(task, add=given["add"], remove=given["remove"])
    return f"Now blocked by {given['add'].title}." if given["add"] else "Dependency removed."


@action(*permissions.CHANGE_TASK)
def decide_review(request: HttpRequest, task: Task) -> str:
    """Approve the result, or request changes with feedback."""
    given = ReviewForm(request.POST).validated_data()
    if given["decision"] == "approve":
        reviews.approve(task, by=person_of(request))
        return "Approved."
    reviews.request_changes(task, given["feedback"], by=person_of(request))
    return "Changes requested. Your feedback will be in the next prompt."


@action(*permissions.POST_MESSAGE)
def post_message(request: HttpRequest, task: Task) -> str:
    """Post a message in the task's thread. Attached texts become documents; files go into the working folder."""
    given = AttachingMessageForm(request.POST, request.FILES).validated_data()
    added = put_into_folder(request, task, given["folder_files"])
    with transaction.atomic() if given["attached"] else nullcontext():
        attached: list[Deliverable | AttachedFile] = [*keep_files(request, task, given["attached"]), *added]
        if given["document"]:
            attached.append(given["document"])
        if given["then"] == "run":
            return _follow_up(request, task, given["content"], attached)
        message = conversation.say(
            task, given["content"], by=person_of(request), attachments=attached, is_to_agent=True
        )
    return SENT[message.delivery].format(name=message.run.agent_name if message.run else "")


def _follow_up(request: HttpRequest, task: Task, text: str, attached: Sequence[Deliverable | AttachedFile]) -> str:
    """Run the task with this message and the agent that it mentions, or else with that of the conversation."""
    by = person_of(request)
    permissions.require(by, permissions.RUN_TASK, "To start an agent")
    page = TaskPage(task, Rights(by))
    agents = [choice.agent for choice in page.choices]
    if not agents:
        raise Invalid("agent", "Create an agent first.")
    agent = conversation.addressee(text, partner_of(task, agents))
    try:
        run = conversation.follow_up(task, agent, text, by=by, attachments=attached, when_full="queue")
    except FollowUpKept as kept:
        return f"Somebody else started a run just before. {SENT[kept.delivery].format(name=agent.name)}"
    return "Sent and queued." if run.status == Run.Status.WAITING else f"Sent. {agent.name} started."


@action("view_deliverable")
def attach_to_task(request: HttpRequest, task: Task) -> str:
    """Attach files or an existing document to the task. The document is removed from its previous task."""
    given = AttachForm(request.POST, request.FILES).validated_data()
    if given["document"]:
        permissions.require(person_of(request), permissions.ATTACH_DOCUMENT, "To attach a document")
    with transaction.atomic():
        attached = keep_files(request, task, given["attached"])
        if given["document"]:
            attached.append(documents.attach(given["document"], task))
    return f"Attached: {', '.join(document.title for document in attached)}"


@action(*permissions.CHANGE_TASK)
def skip_task(_request: HttpRequest, task: Task) -> str:
    """Skip the task."""
    tasks.skip(task)
    return "Skipped."


@require_http_methods(["GET", "HEAD", "POST"])
@sees("view_task", "delete_task")
def delete_task(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """Ask for confirmation, or delete the task."""
    task = get_object_or_404(Task, pk=task_id)
    if request.method != "POST":
        return _ask_to_delete(request, task)
    try:
        tasks.delete(task)
    except Refusal as refusal:
        return _ask_to_delete(request, task, refused=refusal)
    messages.success(request, f"Deleted: {task.title}", extra_tags="ok")
    if by_script(request):
        return HttpResponse(status=204, headers={"X-Location": reverse("board")})
    return HttpResponseRedirect(reverse("board"))


def _ask_to_delete(request: HttpRequest, task: Task, *, refused: Refusal | None = None) -> HttpResponse:
    context = {"task": task, "notice": refused.detail if refused else ""}
    status = refused.status if refused else 200
    if by_script(request):
        return render(request, "task/_delete.html", context, status=status)
    return show(request, "task/delete.html", context, at="board", status=status)


def _refuse(request: HttpRequest, task: Task, refusal: Refusal) -> HttpResponse:
    """Show what was refused, and the next step. If the task was deleted, JavaScript gets a 404."""
    if isinstance(refusal, EditConflict):
        return _show_conflict(request, task, refusal)
    refused = Refused.of(refusal)
    if not by_script(request):
        messages.warning(request, str(refused), extra_tags=refused.status)
        return HttpResponseRedirect(reverse("task", args=[task.pk]))
    return _parts(request, task.pk, refused=refused, status=refusal.status)


def _show_conflict(request: HttpRequest, task: Task, conflict: EditConflict) -> HttpResponse:
    """Show the form again with the submitted texts, and the other person's changes."""
    page = _page_of(request, task.pk)
    page.conflict, page.written = conflict, {name: request.POST.get(name, "") for name in TEXTS}
    if by_script(request):
        return render(
            request, "task/_parts.html", {"page": page, "message": conflict.detail}, status=conflict.status
        )
    return _show_page(request, page, status=conflict.status)


def _answer(request: HttpRequest, task: Task, *, text: str) -> HttpResponse:
    if by_script(request):
        return _parts(request, task.pk, text=text)
    messages.success(request, text, extra_tags="ok")
    return HttpResponseRedirect(reverse("task", args=[task.pk]))
