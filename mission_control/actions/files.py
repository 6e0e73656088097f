"""Put files of people into the working folders of agents, and remember whose they are."""

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeAlias, cast

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone

from agents import folders
from agents.backends.processes import ProcessLimits
from agents.file_kinds import HEAD_BYTES, content_type_of
from mission_control.actions.activity import note, note_project
from mission_control.errors import FileTooLarge, FolderRefuses, Invalid
from mission_control.formatting import file_size
from mission_control.models import Activity, AttachedFile, Project, Task
from mission_control.runs.attached_files import folder_of
from mission_control.text import storable

Upload: TypeAlias = "UploadedFile[bytes]"
FOLDER = "inputs"
NAME_BYTES = 200  # leaves room for a number; file systems allow 255
NUMBER_BYTES = len(f" ({folders.MAX_NUMBER})")
KEPT_FREE_BYTES = ProcessLimits().free_mb * 2**20
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def add_to_task(task: Task, files: Sequence[Upload], *, path: str = "", by: User | None) -> list[AttachedFile]:
    """Put files into the task's working folder, which is its project's if it has one; return them.

    Without a path each goes into `inputs/` under its own name, with a number if the name exists. A path that ends
    with `/` is the folder for all; another one is that of the only file, and replaces what is there. Writes one
    activity. Raises Invalid, FileTooLarge, and FolderRefuses if the folder cannot take them; then none is kept.
    """
    folder, owner = folder_of(task.project, task.pk), AttachedFile(task=task, project=task.project)
    with _stored(folder, files, path) as stored, transaction.atomic():
        added = [_remembered(owner, at, file, by) for at, file in stored]
        note(Activity.Type.TASK_UPDATED, f"Attached to “{task.title}”: {_paths(added)}", task=task)
    return added


def add_to_project(
    project: Project, files: Sequence[Upload], *, path: str = "", by: User | None
) -> list[AttachedFile]:
    """Put files into the project's working folder, for all of its tasks; otherwise as `add_to_task`."""
    with _stored(project.folder, files, path) as stored, transaction.atomic():
        added = [_remembered(AttachedFile(project=project), at, file, by) for at, file in stored]
        note_project(project, f"Added to “{project.title}”: {_paths(added)}")
    return added


def _paths(files: Sequence[AttachedFile]) -> str:
    return ", ".join(file.path for file in files)


def remove(file: AttachedFile) -> None:
    """Delete an attached file from the working folder, if it is still there, and forget it. Writes an activity."""
    task, project = file.task, file.project
    with suppress(folders.OutsideFolder, OSError):  # an agent may have deleted or replaced it
        folders.remove_file(folders.root_of(_folder_of_file(file)), file.path)
    with transaction.atomic():
        AttachedFile.objects.filter(pk=file.pk).delete()
        if task is not None:
            note(Activity.Type.TASK_UPDATED, f"Removed from “{task.title}”: {file.path}", task=task)
        elif project is not None:
            note_project(project, f"Removed from “{project.title}”: {file.path}")


def _folder_of_file(file: AttachedFile) -> Path:
    assert file.task_id or file.project, "a constraint requires one of them"
    return file.project.folder if file.project else folder_of(None, cast("Task", file.task).pk)


def check(files: Sequence[Upload], path: str) -> None:
    """Refuse files that no folder takes: none, too many, too large, or a path that is not allowed."""
    if not files:
        raise Invalid("file", "Send at least one file as `file`.")
    if len(files) > settings.MAX_FILES_AT_ONCE:
        raise Invalid("file", f"At most {settings.MAX_FILES_AT_ONCE} files at once.")
    for file in files:
        if (file.size or 0) > settings.MAX_FILE_BYTES:
            raise FileTooLarge(f"{_own_name(file)} is larger than {settings.MAX_FILE_BYTES // 2**20} MB.")
    if path and not path.endswith("/") and len(files) > 1:
        raise Invalid("path", "With several files, the path must be a folder and end with “/”.")
    _check_path(path)


def _check_path(path: str) -> None:
    if len(path) > folders.PATH_CHARS or not path.isprintable():
        raise Invalid("path", "The path is too long, or has characters that no file name should have.")
    parts = path.removesuffix("/").split("/") if path else []
    if any(part in ("", "..") or len(os.fsencode(part)) > NAME_BYTES for part in parts) or "\\" in path:
        raise Invalid(
            "path", "The path must be relative to the working folder, without “..”, and its names short."
        )
    _refuse_hidden(parts)


def _refuse_hidden(parts: Sequence[str]) -> None:
    """Refuse what is in a hidden folder, such as .git or .claude: programs run what is in them."""
    if any(part.startswith(".") for part in parts):
        raise Invalid("path", "Hidden files and folders, whose names start with a dot, cannot be written.")


@contextmanager
def _stored(folder: Path, files: Sequence[Upload], path: str) -> Iterator[list[tuple[str, Upload]]]:
    """Store the files and yield them with their paths in the folder. Delete them if the code within fails."""
    check(files, path)
    is_file = bool(path) and not path.endswith("/")
    target = PurePosixPath(path or FOLDER)
    stored: list[tuple[str, Upload]] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        root = folders.root_of(folder)
        _require_space(folder, sum(file.size or 0 for file in files))
        for file in files:
            wanted = target if is_file else target / _own_name(file)
            stored.append((_store(root, wanted, file, replaces=is_file), file))
        yield stored
    except BaseException as error:
        if not is_file:  # a file that was replaced would not come back
            _take_back(folder, stored)
        if isinstance(error, OSError | folders.OutsideFolder):
            raise _refusal(error, str(target)) from None
        raise


def _store(root: Path, wanted: PurePosixPath, file: Upload, *, replaces: bool) -> str:
    """Store a file and return its path in the folder. Raises Invalid, OutsideFolder, OSError."""
    real = folders.resolve_inside(root, str(wanted.parent)) / wanted.name
    _refuse_hidden(real.relative_to(root).parts)  # a link of an agent may lead there
    if len(os.fsencode(real)) + NUMBER_BYTES > folders.PATH_CHARS:  # no program could open it by its path
        raise OSError(errno.ENAMETOOLONG, "the path is too long")
    file.seek(0)
    stored = folders.store_file(root, real, cast(BinaryIO, file), replaces=replaces)
    return stored.relative_to(root).as_posix()


def _take_back(folder: Path, added: Sequence[tuple[str, object]]) -> None:
    for stored, _ in added:
        with suppress(folders.OutsideFolder, OSError):
            folders.remove_file(folders.root_of(folder), stored)


def _require_space(folder: Path, size: int) -> None:
    """Raise OSError if too little would be left: an agent with less than its limit of free space is ended."""
    if shutil.disk_usage(folder).free < size + KEPT_FREE_BYTES:
        raise OSError(errno.ENOSPC, "too little free space")


def _refusal(error: Exception, place: str) -> FolderRefuses | Invalid:
    """Return what a user is told about an error. The texts of the system may contain paths of the server."""
    if isinstance(error, folders.OutsideFolder):
        return Invalid("path", "The path is outside the working folder.")
    number = error.errno if isinstance(error, OSError) else None
    texts = {
        **dict.fromkeys(DISK_FULL, "The disk has too little free space."),
        **dict.fromkeys((errno.ENOTDIR, errno.ELOOP), f"A part of {place} is not a folder."),
        **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), f"The server may not write to {place}."),
        errno.EISDIR: f"There is a folder at {place}.",
        errno.EEXIST: f"There are too many files of this name in {place}.",
        errno.ENAMETOOLONG: "The path is too long.",
    }
    return FolderRefuses(texts.get(number or 0, f"The working folder cannot take files at {place}. Try again."))


def _remembered(owner: AttachedFile, stored: str, file: Upload, by: User | None) -> AttachedFile:
    """Create the row of a stored file, or update that of the file which it replaced."""
    file.seek(0)
    values = {
        "size": file.size or 0,
        "content_type": content_type_of(file.read(HEAD_BYTES)),
        "added_by": by,
        "created_at": timezone.now(),
    }
    path = storable(stored)
    same = AttachedFile.objects.filter(task=owner.task, project=owner.project, path=path).first()
    if same is None:
        return AttachedFile.objects.create(task=owner.task, project=owner.project, path=path, **values)
    for name, value in values.items():
        setattr(same, name, value)
    same.save(update_fields=list(values))
    return same


def _own_name(file: Upload) -> str:
    """Return the name of an uploaded file as it is stored: visible characters only, not hidden, not too long."""
    given = PurePosixPath((file.name or "").replace("\\", "/")).name
    name = "".join(char for char in storable(given) if char.isprintable()).strip().lstrip(".").strip() or "file"
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending) > 20:
        stem, dot, ending = name, "", ""
    room = NAME_BYTES - len(os.fsencode(dot + ending))
    return stem.encode()[:room].decode(errors="ignore") + dot + ending


def describe_limits() -> str:
    """Return the limits in words, as pages show them."""
    return f"Up to {settings.MAX_FILES_AT_ONCE} files at once, {file_size(settings.MAX_FILE_BYTES)} each"
