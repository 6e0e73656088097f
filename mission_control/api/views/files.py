"""Files in the working folders of projects and tasks: uploads, and their content."""

from collections.abc import Sequence
from typing import Any, BinaryIO

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.file_kinds import BINARY, TEXT
from mission_control.actions import permissions
from mission_control.api import querysets
from mission_control.api.negotiation import IgnoreAccept
from mission_control.api.serializers.files import AttachedFileReader
from mission_control.api.views.base import find
from mission_control.errors import Invalid
from mission_control.models import AttachedFile, Project, Task
from mission_control.queries import downloads, project_files

_PATH = {"type": "string", "maxLength": project_files.PATH_CHARS, "pattern": r"^(?!/)(?![^\x00]*\.\.)[^\x00]*$"}
PATH = OpenApiParameter("path", _PATH, description="Relative to the working folder.")
UPLOAD = {
    "multipart/form-data": {
        "type": "object",
        "properties": {
            "file": {
                "type": "array",
                "items": {"type": "string", "format": "binary"},
                "minItems": 1,
                "maxItems": settings.MAX_FILES_AT_ONCE,
                "description": f"The files, at most {settings.MAX_FILE_BYTES // 2**20} MB each.",
            },
            "path": {
                **_PATH,
                "description": "Where the only file goes, replacing what is there; or, with a final `/`, the "
                "folder of all files. By default each goes into `inputs/`, with a number if its name exists.",
            },
        },
        "required": ["file"],
    }
}
SHOWN = {**dict.fromkeys([(200, TEXT)], OpenApiTypes.STR), **dict.fromkeys([(200, BINARY)], OpenApiTypes.BINARY)}


def sent_files(request: Request) -> tuple[list["UploadedFile[bytes]"], str]:
    """Return the files and the path that a request sends as multipart/form-data. Raises Invalid."""
    data = request.data
    if not isinstance(data, QueryDict) or set(request.FILES) - {"file"}:
        raise Invalid("file", "Send the files as multipart/form-data, each as `file`.")
    return request.FILES.getlist("file"), data.get("path", "")


def added(files: Sequence[AttachedFile]) -> Response:
    """Answer with the files that were added."""
    return Response({"files": AttachedFileReader(files, many=True).data, "count": len(files)})


def require_folder(request: Request, task: Task) -> None:
    """Raise NotAllowed if the user may not see the task's working folder: it may be that of its project."""
    assert request.user.is_authenticated, "view_task is required"
    if task.project_id:
        permissions.require(request.user, ["mission_control.view_project"], "To see the files of a project")


class FileContentView(APIView):
    """The content of a file in a project's folder, whole or the part that a `Range` header requests.

    PNG, JPEG, GIF and WebP images, recognised by their content, are shown by browsers. Anything else is sent as an
    attachment, UTF-8 text up to 10 MB as `text/plain`, so that no browser runs it.
    """

    queryset: Any = Project.objects.all()
    renderer_classes = [JSONRenderer]
    content_negotiation_class = IgnoreAccept
    answers = {"get": SHOWN}

    @extend_schema(parameters=[PATH])
    def get(self, request: Request, pk: str) -> HttpResponseBase:
        return self.send(request, self.owner(request, pk))

    def owner(self, request: Request, pk: str) -> project_files.Owner:
        return find(querysets.PROJECT, "Project", pk)

    def send(self, request: Request, owner: project_files.Owner) -> HttpResponseBase:
        path, raw = request.query_params.get("path", ""), _django(request)
        file = project_files.open_file(owner, path)
        answer = self._whole(file, path, raw) or downloads.file_response(file, path, raw)
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    def _whole(self, file: BinaryIO, path: str, request: HttpRequest) -> HttpResponse | None:
        """Return the answer with a whole small file, and close it; None for an image, a part or a large file."""
        if request.method != "GET" or "Range" in request.headers or downloads.image_type(file):
            return None
        content = file.read(project_files.CONTENT_BYTES + 1)
        if len(content) > project_files.CONTENT_BYTES:
            file.seek(0)
            return None
        file.close()
        kind = f"{TEXT}; charset=utf-8" if _is_text(content) else BINARY
        headers = {**downloads.headers_of(path, kind), "Accept-Ranges": "bytes"}
        return HttpResponse(content, content_type=kind, headers=headers)


class TaskFileContentView(FileContentView):
    """The content of a file in a task's working folder, which is its project's if it has one; as for projects."""

    queryset: Any = Task.objects.all()

    def owner(self, request: Request, pk: str) -> project_files.Owner:
        task = find(querysets.TASK, "Task", pk)
        require_folder(request, task)
        return task


def _django(request: Request) -> HttpRequest:
    """Return Django's request inside of DRF's."""
    return request._request  # noqa: SLF001 - its documented name


def _is_text(content: bytes) -> bool:
    try:
        return "\x00" not in content.decode()
    except UnicodeDecodeError:
        return False
