"""Create, change and delete documents from the API, the pages and the admin."""

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from agents.models import Agent
from agents.rules import CONTENT_BYTES, TITLE_CHARS, is_blank
from mission_control.actions import validation
from mission_control.actions.activity import affected_metadata, note
from mission_control.actions.locking import locked
from mission_control.errors import Invalid
from mission_control.models import Activity, Deliverable, Project, Task
from mission_control.runs.deliverables import add_version, store_document
from mission_control.text import as_uuid, storable

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile


def create(**fields: Any) -> Deliverable:
    """Store a document with its first version. Without a project it gets that of its task. Raises Invalid."""
    document = Deliverable(**fields)
    if document.project_id is None and document.task is not None:
        document.project_id = document.task.project_id
    validation.check(document, {"title", *fields})
    _refuse_other_project(document)
    return store_document(document, agent=_agent(document.author_id))


def change(
    document: Deliverable, *, content: str | None = None, editor_id: str | None = None, **fields: Any
) -> Deliverable:
    """Change the given fields; store new content as the next version. Locks the row.

    Raises Invalid, and NotFound if the document was deleted. Writes an activity for each kind of change.
    """
    with transaction.atomic():
        document = locked(document)
        if content is not None and content != document.content:
            validation.check(Deliverable(content=content), ["content"])
            document = add_version(document, content, editor_id=editor_id, agent=_agent(editor_id))
        changes = {name: value for name, value in fields.items() if getattr(document, name) != value}
        for name, value in changes.items():
            setattr(document, name, value)
        validation.check(document, changes)
        if {"task", "project"} & changes.keys():
            _refuse_other_project(document)
        if changes:
            Deliverable.objects.filter(pk=document.pk).update(**changes, updated_at=timezone.now())
            document.refresh_from_db()
            _note(document, f"Document updated: {document.title}", agent=_agent(editor_id), about=document)
    return document


def attach(document: Deliverable, task: Task) -> Deliverable:
    """Link a document to a task and its project instead of its previous task. Locks the row.

    The output of another task's run becomes an ordinary document: a run of this task does not write its next
    version. Raises Invalid for a document of another project, and NotFound.
    """
    with transaction.atomic():
        document = locked(document)
        if document.project_id not in (None, task.project_id):
            raise Invalid("document_id", "The task belongs to another project.")
        if document.task_id != task.pk:
            Deliverable.objects.filter(pk=document.pk).update(
                task=task, project_id=task.project_id, run=None, updated_at=timezone.now()
            )
            document.refresh_from_db()
            _note(document, f"Document attached to “{task.title}”: {document.title}", about=document)
    return document


def delete(document: Deliverable) -> None:
    """Delete a document with all its versions. Locks the row. Raises NotFound if it was deleted already."""
    with transaction.atomic():
        document = locked(document)
        required_by = Project.objects.filter(prd_document=document).values_list("pk", flat=True)
        _note(document, f"Document deleted: {document.title}", **affected_metadata(projects=required_by))
        document.delete()


def read_text_file(file: "UploadedFile[bytes]") -> tuple[str, str]:
    """Return the title, which is the file's name, and the content of a document from an uploaded text file.

    Raises Invalid for a file that is too large, empty, or not UTF-8 text.
    """
    name = storable(PurePosixPath(file.name or "").name)[:TITLE_CHARS]
    name = "File" if is_blank(name) else name
    if (file.size or 0) > CONTENT_BYTES:
        raise Invalid("file", f"{name} is larger than {CONTENT_BYTES // 2**20} MB.")
    try:
        content = file.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        content = "\x00"
    if "\x00" in content:
        raise Invalid("file", f"{name} is not text. Documents hold text only, such as Markdown, CSV or code.")
    if not content.strip():
        raise Invalid("file", f"{name} is empty.")
    return name, content.replace("\r\n", "\n")


def _note(
    document: Deliverable,
    message: str,
    *,
    agent: Agent | None = None,
    about: Deliverable | None = None,
    **metadata: Any,
) -> None:
    note(
        Activity.Type.DOCUMENT_UPDATED,
        message,
        task=document.task,
        agent=agent,
        document=about,  # None if it is about to be deleted
        project_id=document.project_id,
        **metadata,
    )


def _refuse_other_project(document: Deliverable) -> None:
    if document.task and document.project_id and document.task.project_id != document.project_id:
        raise Invalid("project_id", "The task belongs to another project.")


def _agent(key: str | None) -> Agent | None:
    """Return the agent with an author's or editor's id; None for a person."""
    uuid = as_uuid(key)
    return Agent.objects.filter(pk=uuid).first() if uuid else None
