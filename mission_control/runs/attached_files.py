"""Files that people attached to a task, as agents get them: in the prompt, and as paths in the working folder."""

import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db.models import Q, QuerySet

from agents import folders
from agents.file_kinds import IMAGES, PDF, TEXT
from mission_control.formatting import file_size
from mission_control.models import AttachedFile, Message, Project, Run, Task
from mission_control.runs.prompt_sections import Source
from mission_control.text import as_uuid

MAX_NAMED = 100  # in one prompt, the newest
MAX_SHOWN = 20  # images and PDFs for one call of a backend
INLINE_BYTES = 20_000  # a text file up to this size is part of the prompt
_KINDS = {
    PDF: "PDF",
    TEXT: "text",
    "image/png": "PNG image",
    "image/jpeg": "JPEG image",
    "image/gif": "GIF image",
    "image/webp": "WebP image",
}


@dataclass
class AttachedSources:
    """What a prompt says about attached files: a list of them, small text files, and how many were not named."""

    sources: list[Source] = field(default_factory=list)
    older: int = 0


def folder_of(project: Project | None, task_or_run: uuid.UUID) -> Path:
    """Return the working folder of a project's agents; without a project, that of the task (or run)."""
    return project.folder if project else settings.DATA_DIR / "scratch" / str(task_or_run)


def last_start(task: Task) -> datetime | None:
    """Return when the last completed attempt started: it cannot have known what people added later.

    A failed or stopped attempt does not count: requests from before it are still open.
    """
    completed = Run.objects.filter(task=task, status=Run.Status.COMPLETED).order_by("-queued_at", "id")
    return completed.values_list("started_at", flat=True).first()


def files_for(run: Run) -> list[Path]:
    """Return the images and PDFs attached to the run's task since its last completed attempt, oldest first.

    The paths are absolute, in the run's working folder; files that no longer exist are left out.
    """
    if run.task is None or not _may_have_files(run):
        return []
    found = _in_folder_of(run, run.task).filter(task=run.task, content_type__in=[*IMAGES, PDF])
    newest = found.order_by("-created_at", "-id").values_list("path", "created_at")[:MAX_SHOWN][::-1]
    since = last_start(run.task) if newest else None
    paths = [path for path, created_at in newest if since is None or created_at > since]
    return _existing(folder_of(run.project, run.task.pk), paths)


def files_of_message(run: Run, message: Message) -> list[Path]:
    """Return the files attached to a message, as absolute paths in the run's working folder."""
    if run.task is None:
        return []
    keys = [key for given in message.attachment_ids if (key := as_uuid(given))]
    found = _in_folder_of(run, run.task).filter(pk__in=keys).order_by("created_at", "id") if keys else []
    return _existing(folder_of(run.project, run.task.pk), (one.path for one in found))


def attached_sources(run: Run, task: Task) -> AttachedSources:
    """Describe the files of the task and those of its whole project for the prompt. Reads small text files."""
    if not _may_have_files(run):
        return AttachedSources()
    files = _in_folder_of(run, task).filter(Q(task=task) | Q(task=None)).select_related("added_by")
    newest = list(files.order_by("-created_at", "-id")[:MAX_NAMED])
    root = folders.root_of(folder_of(run.project, task.pk))
    there = [file for file in reversed(newest) if _is_file(root, file.path)]
    if not there:
        return AttachedSources()
    texts = [source for file in there if (source := _inline(root, file))]
    inline = {source.title for source in texts}
    lines = "\n".join(_line(file, is_inline=file.path in inline) for file in there)
    older = files.count() - len(newest) if len(newest) == MAX_NAMED else 0
    return AttachedSources([Source("list", "Attached files", lines), *texts], older)


def paths_by_id(run: Run, task: Task) -> dict[str, str]:
    """Return the paths of the task's newest files by their ids, for the messages to which they are attached.

    Leaves out files that the run's working folder does not have.
    """
    newest = _in_folder_of(run, task).filter(task=task).order_by("-created_at", "-id")[:MAX_NAMED]
    root = folders.root_of(folder_of(run.project, task.pk))
    return {str(key): path for key, path in newest.values_list("pk", "path") if _is_file(root, path)}


def kind_of(file: AttachedFile) -> str:
    """Return the kind of a file in words."""
    return _KINDS.get(file.content_type, "binary file")


def look_for_files_again(run: Run) -> None:
    """Forget what the claim found out about files: people may have attached some since."""
    vars(run).pop("has_files", None)


def _may_have_files(run: Run) -> bool:
    """Return whether there may be attached files: the claim of the run has found that out without a query."""
    return bool(vars(run).get("has_files", True))


def _in_folder_of(run: Run, task: Task) -> QuerySet[AttachedFile]:
    """Return the files in the run's folder: a task may have been moved to another project since its files came."""
    if run.project_id:
        return AttachedFile.objects.filter(project=run.project_id)
    return AttachedFile.objects.filter(project=None, task=task)


def _existing(folder: Path, paths: Iterable[str]) -> list[Path]:
    root = folders.root_of(folder)
    return [folder / path for path in dict.fromkeys(paths) if _is_file(root, path)]


def _is_file(root: Path, path: str) -> bool:
    """Return whether there is a regular file at the path, inside the folder."""
    with suppress(folders.OutsideFolder, OSError):
        return folders.resolve_inside(root, path).is_file()
    return False


def _inline(root: Path, file: AttachedFile) -> Source | None:
    """Return a small text file with its content as it is now; None if it is none, or has become too large."""
    if file.content_type != TEXT or file.size > INLINE_BYTES:
        return None
    with suppress(folders.OutsideFolder, folders.NotText, OSError):
        text, is_longer = folders.read_text_inside(root, file.path, most_bytes=INLINE_BYTES)
        return None if is_longer else Source("file", file.path, text)
    return None


def _line(file: AttachedFile, *, is_inline: bool) -> str:
    whose = f", attached by {file.added_by.get_username()}" if file.added_by else ""
    below = ", its content is below" if is_inline else ""
    return f"- {file.path} ({kind_of(file)}, {file_size(file.size)}{whose}{below})"
