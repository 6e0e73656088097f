"""Projects, and the files that their agents work on."""

from typing import Any, BinaryIO

from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mission_control.actions import permissions, projects
from mission_control.api import querysets
from mission_control.api.filters import ProjectFilter
from mission_control.api.negotiation import IgnoreAccept
from mission_control.api.schema import one_of
from mission_control.api.serializers.projects import (
    FileReader,
    ProjectChange,
    ProjectCreate,
    ProjectDetail,
    ProjectReader,
)
from mission_control.api.serializers.tasks import TaskReader
from mission_control.api.views.base import ObjectViews, find
from mission_control.models import Project, Task
from mission_control.queries import downloads, project_files
from mission_control.queries.progress import progress

PLAIN = ("approve", "pause", "resume")  # these only change the status; Deep Work carries it out
TEXT, BINARY = "text/plain", "application/octet-stream"
PATH = OpenApiParameter(
    "path",
    {"type": "string", "maxLength": project_files.PATH_CHARS, "pattern": r"^(?!/)(?![^\x00]*\.\.)[^\x00]*$"},
    description="Relative to the project's folder.",
)


class ProjectViews(ObjectViews):
    """Projects, with their tasks and progress."""

    queryset = querysets.projects()
    filterset_class = ProjectFilter
    noun, one, many, reader = "Project", "project", "projects", ProjectReader
    writers = {"create": ProjectCreate, "partial_update": ProjectChange}
    lists = {"files": FileReader}
    answers = {"retrieve": ProjectDetail} | dict.fromkeys(PLAIN, one_of("project", ProjectReader))
    action_permissions = {
        **{name: ["mission_control.change_project"] for name in PLAIN},
        "resume": permissions.START_PROJECT,
    }

    def create(self, request: Request) -> Response:
        return self.now(projects.create(**self.given()))

    def retrieve(self, request: Request, pk: str) -> Response:
        project = self.find(pk)
        return Response(with_tasks(project, querysets.tasks().filter(project=project)))

    def partial_update(self, request: Request, pk: str) -> Response:
        return self.now(projects.change(self.find(pk), **self.given()))

    def destroy(self, request: Request, pk: str) -> Response:
        projects.delete(self.find(pk))
        return self.deleted(pk)

    def approve(self, request: Request, pk: str) -> Response:
        return self.now(projects.change(self.find(pk), status=Project.Status.APPROVED))

    def pause(self, request: Request, pk: str) -> Response:
        return self.now(projects.change(self.find(pk), status=Project.Status.PAUSED))

    def resume(self, request: Request, pk: str) -> Response:
        return self.now(projects.change(self.find(pk), status=Project.Status.EXECUTING))

    @extend_schema(parameters=[PATH])
    def files(self, request: Request, pk: str) -> Response:
        project, path = self.find(pk), request.query_params.get("path", "")
        found = project_files.files_in(project, path)
        answer = self.listed(found)
        if not found and (hosts := project_files.hosts_of(project)):
            answer.data["other_hosts"] = hosts  # its agents worked there, so its files may be there
        return answer


class FileContentView(APIView):
    """Download a file from a project's folder.

    UTF-8 text is sent as `text/plain`, anything else as `application/octet-stream`, always as an attachment, so
    that no browser runs it. Files over 10 MB and requested ranges are streamed.
    """

    queryset = Project.objects.all()
    renderer_classes = [JSONRenderer]
    content_negotiation_class = IgnoreAccept
    answers = {"get": {(200, TEXT): OpenApiTypes.STR, (200, BINARY): OpenApiTypes.BINARY}}

    @extend_schema(parameters=[PATH])
    def get(self, request: Request, pk: str) -> HttpResponseBase:
        path, range_header = request.query_params.get("path", ""), request.headers.get("Range")
        file = project_files.open_file(find(querysets.PROJECT, "Project", pk), path)
        whole = self._whole(file, path) if range_header is None else None
        answer = whole or downloads.file_response(file, path, range_header=range_header)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def _whole(self, file: BinaryIO, path: str) -> HttpResponse | None:
        """Return the answer with the whole file, and close it; None for a large file, which is sent in pieces."""
        content = file.read(project_files.CONTENT_BYTES + 1)
        if len(content) > project_files.CONTENT_BYTES:
            return None
        file.close()
        kind = f"{TEXT}; charset=utf-8" if _is_text(content) else BINARY
        return HttpResponse(content, content_type=kind, headers=downloads.as_attachment(path))


def with_tasks(project: Project, tasks: QuerySet[Task]) -> dict[str, Any]:
    """Return a project, its tasks and its progress, as an answer contains them."""
    return {
        "project": ProjectReader(project).data,
        "tasks": TaskReader(tasks, many=True).data,
        "progress": progress(project),
    }


def _is_text(content: bytes) -> bool:
    try:
        return "\x00" not in content.decode()
    except UnicodeDecodeError:
        return False
