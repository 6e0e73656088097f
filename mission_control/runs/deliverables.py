"""Store the documents that agents and people write, with every version of their content."""

import uuid
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from agents.models import Agent
from mission_control.actions.activity import note
from mission_control.models import Activity, Deliverable, DeliverableVersion, Run, Task
from mission_control.terminal import rendered_text


def save_output(run: Run, output: str) -> Deliverable:
    """Save a run's output in the caller's transaction: the task's first as a document, later ones as new versions.

    A task has at most one active run, so no other run saves output for it at the same time. Text that a terminal
    would have overwritten, such as earlier states of a progress bar, is left out.
    """
    output = rendered_text(output)
    kept = Deliverable.objects.filter(task=run.task, run__isnull=False).order_by("created_at").first()
    if kept is not None:
        return add_version(kept, output, editor_id=run.agent_id, agent=run.agent, run=run)
    document = Deliverable(
        title=_title(run.task.title if run.task else run.task_title),
        content=output,
        type=Deliverable.Type.DELIVERABLE,
        task=run.task,
        project_id=run.project_id,
        run=run,
        author_id=_text(run.agent_id),
        tags=["auto-generated", "task-output"],
    )
    return store_document(document, agent=run.agent)


def rename_output(task: Task, *, before: str) -> None:
    """Rename the documents that the task's runs wrote to match its new title, in the caller's transaction.

    A document that a person has renamed keeps its title.
    """
    named_after = Deliverable.objects.filter(task=task, run__isnull=False, title=_title(before))
    for document in named_after.select_for_update():
        document.title = _title(task.title)
        document.save(update_fields=["title", "updated_at"])
        _note(Activity.Type.DOCUMENT_UPDATED, f"Document renamed: {document.title}", document, None)


def _title(task_title: str) -> str:
    return f"Deliverable: {task_title}"


def store_document(document: Deliverable, *, agent: Agent | None = None) -> Deliverable:
    """Store a new document with its first version and an activity."""
    with transaction.atomic():
        document.save(force_insert=True)
        _store_version(document, editor_id=document.author_id, run=document.run)
        _note(Activity.Type.DOCUMENT_CREATED, f"Document created: {document.title}", document, agent)
    return document


def add_version(
    document: Deliverable,
    content: str,
    *,
    editor_id: uuid.UUID | str | None,
    agent: Agent | None = None,
    run: Run | None = None,
) -> Deliverable:
    """Store new content as the next version, with an activity.

    Locks the row: concurrent editors get two numbers.
    """
    with transaction.atomic():
        changes: dict[str, Any] = {"content": content, "version": F("version") + 1, "updated_at": timezone.now()}
        if run is not None:
            changes["run"] = run
        Deliverable.objects.filter(pk=document.pk).update(**changes)
        document.refresh_from_db()
        _store_version(document, editor_id=editor_id, run=run)
        message = f"Document updated: {document.title} (version {document.version})"
        _note(Activity.Type.DOCUMENT_UPDATED, message, document, agent)
    return document


def _store_version(document: Deliverable, *, editor_id: uuid.UUID | str | None, run: Run | None = None) -> None:
    DeliverableVersion.objects.create(
        deliverable=document,
        version=document.version,
        content=document.content,
        editor_id=_text(editor_id),
        run=run,
    )


def _text(key: uuid.UUID | str | None) -> str | None:
    return str(key) if key else None


def _note(type: Activity.Type, message: str, document: Deliverable, agent: Agent | None) -> None:
    note(type, message, task=document.task, agent=agent, document=document, project_id=document.project_id)
