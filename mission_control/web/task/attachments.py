"""Files that people attach: each becomes the text of a document, or is refused with a reason."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from mission_control.actions import documents, files, permissions
from mission_control.errors import Invalid
from mission_control.models import AttachedFile, Deliverable, Message, Project, Task
from mission_control.text import as_uuid
from mission_control.web.shared.plain_text import plain
from mission_control.web.shared.views import person_of
from mission_control.web.task.forms import MessageForm, ValidatingForm

MAX_FILES = 10
SHOWN_DOCUMENTS = 200


@dataclass(frozen=True, slots=True)
class AttachedText:
    """The name and the content of a file."""

    title: str
    content: str


class SeveralFiles(forms.ClearableFileInput):
    """A file input that accepts several files."""

    allow_multiple_selected = True


class TextFiles(forms.FileField):
    """Text files. The clean value is a list of `AttachedText`."""

    widget = SeveralFiles

    def clean(self, data: Any, initial: Any = None) -> list[AttachedText]:
        given = [one for one in data or [] if one] if isinstance(data, list | tuple) else [data] if data else []
        if len(given) > MAX_FILES:
            raise forms.ValidationError(f"At most {MAX_FILES} files at once.")
        return [_read(one) for one in given]


def _read(file: "UploadedFile[bytes]") -> AttachedText:
    try:
        return AttachedText(*documents.read_text_file(file))
    except Invalid as refusal:
        raise forms.ValidationError(plain(refusal.detail)) from None


class Attaching(ValidatingForm):
    """Form fields for attachments: an existing document, files, or both."""

    attached = TextFiles(required=False, label="Attach")
    document = forms.ModelChoiceField(
        Deliverable.objects.all(),
        required=False,
        label="Attach",
        error_messages={"invalid_choice": "This document no longer exists."},
    )


class AttachForm(Attaching):
    """Attachments for a task; at least one is required."""

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if not self.errors and not given["attached"] and not given["document"]:
            self.add_error("attached", "Choose a file or a document.")
        return given


class FolderFiles(forms.FileField):
    """Files of any kind for the working folder. The clean value is a list of them; the action checks them."""

    widget = SeveralFiles

    def clean(self, data: Any, initial: Any = None) -> list["UploadedFile[bytes]"]:
        return [one for one in data or [] if one] if isinstance(data, list | tuple) else [data] if data else []


class AttachingMessageForm(MessageForm, Attaching):
    """A message with optional attachments, and files for the agent."""

    folder_files = FolderFiles(required=False, label="Files")


def keep_files(request: HttpRequest, task: Task, files: Iterable[AttachedText]) -> list[Deliverable]:
    """Create a document of the task from each file. Raises NotAllowed if the user may not add documents."""
    texts = list(files)
    if texts:
        permissions.require(person_of(request), permissions.ADD_DOCUMENT, "To attach a file")
    return [
        documents.create(title=text.title, content=text.content, task=task, author_id="human") for text in texts
    ]


def put_into_folder(
    request: HttpRequest, task: Task, given: Sequence["UploadedFile[bytes]"]
) -> list[AttachedFile]:
    """Put files into the task's working folder. Raises Refusal, also if the user may not change the task."""
    if not given:
        return []
    permissions.require(person_of(request), permissions.CHANGE_TASK, "To add a file")
    return files.add_to_task(task, given, by=person_of(request))


def attachable(task: Task) -> QuerySet[Deliverable]:
    """Return the documents that can be attached to the task: those of its project or of none.

    Leaves out the task's own documents and the requirements of projects.
    """
    ours = Q(project=None) | Q(project_id=task.project_id)
    required = Project.objects.filter(prd_document__isnull=False).values("prd_document")
    found = Deliverable.objects.filter(ours).exclude(task=task).exclude(pk__in=required).select_related("task")
    return found.only("id", "title", "task__title").order_by("-updated_at", "id")[:SHOWN_DOCUMENTS]


def attached_to(messages: Iterable[Message]) -> dict[UUID, list[Deliverable | AttachedFile | None]]:
    """Return the documents and files attached to each message, None for a deleted one. At most two queries."""
    named = {message.pk: [as_uuid(key) for key in message.attachment_ids] for message in messages}
    keys = {key for some in named.values() for key in some if key}
    there: dict[UUID, Deliverable | AttachedFile] = {}
    if keys:
        there.update(Deliverable.objects.only("id", "title", "version").in_bulk(keys))
    if keys - there.keys():
        there.update(AttachedFile.objects.in_bulk(keys - there.keys()))
    return {pk: [there.get(key) if key else None for key in some] for pk, some in named.items()}
