"""Projects, and the files that their agents work on."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from mission_control.actions import files, permissions, projects
from mission_control.api import querysets
from mission_control.api.filters import ProjectFilter
from mission_control.api.schema import one_of
from mission_control.api.serializers.files import FilesAdded
from mission_control.api.serializers.projects import (
    FileReader,
    ProjectChange,
    ProjectCreate,
    ProjectDetail,
    ProjectReader,
)
from mission_control.api.serializers.tasks import TaskReader
from mission_control.api.views.base import ObjectViews
from mission_control.api.views.files import PATH, UPLOAD, added, sent_files
from mission_control.models import Project, Task
from mission_control.queries import project_files
from mission_control.queries.progress import progress

PLAIN = ("approve", "pause", "resume")  # these only change the status; Deep Work carries it out


class ProjectViews(ObjectViews):
    """Projects, with their tasks and progress."""

    queryset = querysets.projects()
    filterset_class = ProjectFilter
    noun, one, many, reader = "Project", "project", "projects", ProjectReader
    writers = {"create": ProjectCreate, "partial_update": ProjectChange}
    lists = {"files": FileReader}
    answers = {"retrieve": ProjectDetail, "add_files": FilesAdded} | dict.fromkeys(
        PLAIN, one_of("project", ProjectReader)
    )
    action_permissions = {
        **{name: ["mission_control.change_project"] for name in PLAIN},
        "resume": permissions.START_PROJECT,
        "add_files": ["mission_control.change_project"],
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

    @extend_schema(operation_id="projects_add_files", request=UPLOAD)
    def add_files(self, request: Request, pk: str) -> Response:
        """Put files into the project's folder, for the agents of all of its tasks."""
        project = self.find(pk)
        given, path = sent_files(request)
        assert request.user.is_authenticated, "change_project is required"
        return added(files.add_to_project(project, given, path=path, by=request.user))


def with_tasks(project: Project, tasks: QuerySet[Task]) -> dict[str, Any]:
    """Return a project, its tasks and its progress, as an answer contains them."""
    return {
        "project": ProjectReader(project).data,
        "tasks": TaskReader(tasks, many=True).data,
        "progress": progress(project),
    }
