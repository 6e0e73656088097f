from rest_framework.response import Response

from agents.models import Agent
from mission_control import tasks
from mission_control.api import querysets
from mission_control.api.filters import TaskFilter
from mission_control.api.serializers.documents import DocumentReader
from mission_control.api.serializers.runs import RunReader
from mission_control.api.serializers.tasks import (
    MessageReader,
    RunRequest,
    TaskChange,
    TaskCreate,
    TaskReader,
    running_task,
)
from mission_control.api.views.base import ObjectViews, find
from mission_control.ids import as_uuid
from mission_control.models import Run
from mission_control.runs.admission import admit
from mission_control.runs.errors import NotRunning
from mission_control.runs.lifecycle import stop


class TaskViews(ObjectViews):
    """Tasks, and their runs."""

    queryset = querysets.tasks()
    filterset_class = TaskFilter
    noun, one, many, reader = "Task", "task", "tasks", TaskReader
    writers = {"create": TaskCreate, "partial_update": TaskChange, "run": RunRequest}
    action_permissions = {
        "run": ["mission_control.add_run"],
        "stop": ["mission_control.change_run"],
        "runs": ["mission_control.view_run"],
        "documents": ["mission_control.view_deliverable"],
    }

    def create(self, request) -> Response:
        return self.now(tasks.create(**self.given()))

    def retrieve(self, request, pk: str) -> Response:
        task = self.find(pk)
        messages = MessageReader(querysets.messages().filter(task=task), many=True).data
        return Response({"task": self.reader(task).data, "messages": messages})

    def partial_update(self, request, pk: str) -> Response:
        return self.now(tasks.change(self.find(pk), **self.given()))

    def destroy(self, request, pk: str) -> Response:
        tasks.delete(self.find(pk))
        return self.deleted(pk)

    def running(self, request) -> Response:
        runs = Run.objects.light().holding().filter(task__isnull=False).select_related("task")
        rows = [running_task(run) for run in runs.prefetch_related("task__assignments")]
        return Response({"running_tasks": rows, "count": len(rows)})

    def run(self, request, pk: str) -> Response:
        """Run the task with an agent. 404 comes before 400: an unknown task or agent wins over a bad body."""
        task = self.find(pk)
        agent = self._agent()
        given = self.given()
        run = admit(
            task,
            agent,
            by=request.user,
            when_full=given["when_full"],
            ignore_dependencies=given["ignore_dependencies"],
        )
        waits = run.status == Run.Status.WAITING
        return Response(
            {
                "success": True,
                "message": "Task is waiting for a free slot" if waits else "Task execution started",
                "status": "waiting" if waits else "started",
                "task_id": task.pk,
                "agent_id": agent.pk,
                "agent_name": agent.name,
                "run_id": run.pk,
            }
        )

    def _agent(self) -> Agent | None:
        """Return the agent that the body names; None when it names none, which validation then tells."""
        key = self.request.data.get("agent_id")
        if not isinstance(key, str) or as_uuid(key) is None:
            return None
        return find(Agent.objects.all(), "Agent", key)

    def stop(self, request, pk: str) -> Response:
        run = Run.objects.light().active().filter(task=self.find(pk)).first()
        if run is None:
            raise NotRunning
        stop(run)
        return Response({"status": "stopped", "task_id": run.task_id, "message": "Task execution stopped"})

    def runs(self, request, pk: str) -> Response:
        return self.listed(querysets.runs().filter(task=self.find(pk)), RunReader, envelope="runs")

    def documents(self, request, pk: str) -> Response:
        rows = querysets.documents().filter(task=self.find(pk))
        return self.listed(rows, DocumentReader, envelope="documents")
