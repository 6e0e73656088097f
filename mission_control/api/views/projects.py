from rest_framework.response import Response

from mission_control import projects
from mission_control.api import querysets
from mission_control.api.filters import ProjectFilter
from mission_control.api.serializers.projects import ProjectChange, ProjectCreate, ProjectReader
from mission_control.api.serializers.tasks import TaskReader
from mission_control.api.views.base import ObjectViews
from mission_control.projects.progress import progress


class ProjectViews(ObjectViews):
    """Projects, with their tasks and how far they are."""

    queryset = querysets.projects()
    filterset_class = ProjectFilter
    noun, one, many, reader = "Project", "project", "projects", ProjectReader
    writers = {"create": ProjectCreate, "partial_update": ProjectChange}

    def create(self, request) -> Response:
        return self.now(projects.create(**self.given()))

    def retrieve(self, request, pk: str) -> Response:
        project = self.find(pk)
        tasks = querysets.tasks().filter(project=project)
        return Response(
            {
                "project": self.reader(project).data,
                "tasks": TaskReader(tasks, many=True).data,
                "progress": progress(project),
            }
        )

    def partial_update(self, request, pk: str) -> Response:
        return self.now(projects.change(self.find(pk), **self.given()))

    def destroy(self, request, pk: str) -> Response:
        projects.delete(self.find(pk))
        return self.deleted(pk)
