"""Tasks, and the actions on them: run, stop, assign, review and others."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from agents.models import Agent
from mission_control.actions import (
    comments,
    conversation,
    documents,
    files,
    permissions,
    reviews,
    task_runs,
    tasks,
)
from mission_control.api import querysets
from mission_control.api.filters import TaskFilter
from mission_control.api.schema import Deleted, one_of
from mission_control.api.serializers.documents import DocumentReader
from mission_control.api.serializers.feed import AssignRequest, AttachRequest, MessageCreate, StatusRequest
from mission_control.api.serializers.files import AttachedFileReader, FilesAdded
from mission_control.api.serializers.projects import FileReader
from mission_control.api.serializers.reviews import ChangesRequest, ReviewReader
from mission_control.api.serializers.runs import RunReader, RunStarted, RunStopped
from mission_control.api.serializers.tasks import (
    MessageReader,
    RunningTasks,
    RunRequest,
    TaskChange,
    TaskCreate,
    TaskDetail,
    TaskReader,
    running_task,
)
from mission_control.api.views.base import ObjectViews, find
from mission_control.api.views.files import PATH, UPLOAD, added, require_folder, sent_files
from mission_control.errors import LimitReached, NotFound
from mission_control.models import AttachedFile, Review, Run
from mission_control.queries import project_files
from mission_control.runs.admission import admit
from mission_control.text import as_uuid


class TaskViews(ObjectViews):
    """Tasks, and their runs."""

    queryset = querysets.tasks()
    filterset_class = TaskFilter
    noun, one, many, reader = "Task", "task", "tasks", TaskReader
    writers = {
        "create": TaskCreate,
        "partial_update": TaskChange,
        "run": RunRequest,
        "assign": AssignRequest,
        "status": StatusRequest,
        "post_message": MessageCreate,
        "attach": AttachRequest,
        "request_changes": ChangesRequest,
    }
    lists = {
        "runs": RunReader,
        "documents": DocumentReader,
        "messages": MessageReader,
        "reviews": ReviewReader,
        "files": FileReader,
        "attachments": AttachedFileReader,
    }
    answers = {
        "retrieve": TaskDetail,
        "running": RunningTasks,
        "run": RunStarted,
        "stop": RunStopped,
        "assign": one_of("task", TaskReader),
        "status": one_of("task", TaskReader),
        "post_message": one_of("message", MessageReader),
        "attach": one_of("document", DocumentReader),
        "approve": one_of("task", TaskReader),
        "request_changes": one_of("task", TaskReader),
        "add_files": FilesAdded,
        "remove_attachment": Deleted,
    }
    refusals = {"run": [LimitReached]}
    action_permissions = {
        "run": permissions.RUN_TASK,
        "stop": permissions.STOP_RUN,
        "runs": ["mission_control.view_run"],
        "documents": ["mission_control.view_deliverable"],
        "assign": permissions.CHANGE_TASK,
        "status": permissions.CHANGE_TASK,
        "messages": ["mission_control.view_message"],
        "post_message": permissions.POST_MESSAGE,
        "attach": ["mission_control.change_deliverable"],
        "attachments": ["mission_control.view_task"],
        "remove_attachment": permissions.CHANGE_TASK,
        "files": ["mission_control.view_task"],
        "add_files": permissions.CHANGE_TASK,
        "approve": permissions.CHANGE_TASK,
        "request_changes": permissions.CHANGE_TASK,
        "reviews": ["mission_control.view_review"],
    }

    def create(self, request: Request) -> Response:
        return self.answer(tasks.create(**self.given()))

    def retrieve(self, request: Request, pk: str) -> Response:
        task = self.find(pk)
        messages = MessageReader(querysets.MESSAGES_OF_TASK.all(task.pk), many=True).data
        return Response({"task": self.reader(task).data, "messages": messages})

    def partial_update(self, request: Request, pk: str) -> Response:
        return self.now(tasks.change(self.find(pk), **self.given()))

    def destroy(self, request: Request, pk: str) -> Response:
        tasks.delete(self.find(pk))
        return self.deleted(pk)

    def running(self, request: Request) -> Response:
        runs = Run.objects.light().holding().filter(task__isnull=False).select_related("task")
        rows = [running_task(run) for run in runs.prefetch_related("task__assignments")]
        return Response({"running_tasks": rows, "count": len(rows)})

    def run(self, request: Request, pk: str) -> Response:
        """Run the task with an agent, or continue its conversation about the task with `follow_up`.

        An unknown task or agent gives 404 even if the body is invalid.
        """
        task = find(querysets.TASK, self.noun, pk)
        agent = self._agent()
        given = self.given()
        assert agent is not None, "a body that names none is refused above"
        assert request.user.is_authenticated, "add_run is required"
        how = {name: given[name] for name in ("when_full", "ignore_dependencies")}
        if text := given.get("follow_up"):
            attachments = given.get("attachments", [])
            run = conversation.follow_up(task, agent, text, by=request.user, attachments=attachments, **how)
        else:
            run = admit(task, agent, by=request.user, **how)
        waits = run.status == Run.Status.WAITING
        return Response(
            {
                "success": True,
                "message": "Task is queued for a free slot" if waits else "Task execution started",
                "status": "waiting" if waits else "started",
                "task_id": task.pk,
                "agent_id": agent.pk,
                "agent_name": agent.name,
                "run_id": run.pk,
            }
        )

    def _agent(self) -> Agent | None:
        """Return the agent that the body names; None if it names none, which validation then reports.

        Raises NotFound for an unknown agent.
        """
        body = self.request.data
        key = body.get("agent_id") if isinstance(body, dict) else None
        if not isinstance(key, str) or as_uuid(key) is None:
            return None
        return find(querysets.AGENT, "Agent", key)

    def stop(self, request: Request, pk: str) -> Response:
        run = task_runs.stop_task(self.find(pk))
        return Response({"status": "stopped", "task_id": run.task_id, "message": "Task execution stopped"})

    def runs(self, request: Request, pk: str) -> Response:
        return self.listed(querysets.runs().filter(task=self.find(pk)))

    def documents(self, request: Request, pk: str) -> Response:
        return self.listed(querysets.documents().filter(task=self.find(pk)))

    def assign(self, request: Request, pk: str) -> Response:
        return self.now(tasks.assign(self.find(pk), self.given()["agent_ids"]))

    def status(self, request: Request, pk: str) -> Response:
        return self.now(tasks.set_status(self.find(pk), **self.given()))

    def messages(self, request: Request, pk: str) -> Response:
        return self.listed(querysets.messages().filter(task=self.find(pk)))

    @extend_schema(operation_id="tasks_post_message")
    def post_message(self, request: Request, pk: str) -> Response:
        """Post a message from the agent that the body names, or from the user.

        One from the user that mentions the agent of the task's active run is sent to that agent.
        """
        task = self.find(pk)
        assert request.user.is_authenticated, "add_message is required"
        given = self.given()
        if given.pop("from_agent", None) is None:
            message = conversation.say(task, given.pop("content"), by=request.user, **given)
        else:
            message = comments.post(task, by=request.user, **self.given())
        return Response({"message": MessageReader(message).data})

    def attach(self, request: Request, pk: str) -> Response:
        task = self.find(pk)
        document = documents.attach(self.given()["document_id"], task)
        return Response({"document": DocumentReader(document).data})

    @extend_schema(operation_id="tasks_list_attachments")
    def attachments(self, request: Request, pk: str) -> Response:
        """List the files that people attached to the task, oldest first."""
        found = AttachedFile.objects.filter(task=self.find(pk)).select_related("added_by")
        return self.listed(found)

    @extend_schema(operation_id="tasks_remove_attachment")
    def remove_attachment(self, request: Request, pk: str, file_id: str) -> Response:
        """Delete an attached file from the working folder."""
        task, key = self.find(pk), as_uuid(file_id) or pk
        file = AttachedFile.objects.filter(pk=key, task=task).select_related("task__project", "project").first()
        if file is None:
            raise NotFound("File")
        files.remove(file)
        return Response({"success": True, "message": f"File {file.pk} deleted"})

    @extend_schema(parameters=[PATH])
    def files(self, request: Request, pk: str) -> Response:
        """List the task's working folder, which is its project's if it has one."""
        task = self.find(pk)
        require_folder(request, task)
        return self.listed(project_files.files_in(task, request.query_params.get("path", "")))

    @extend_schema(operation_id="tasks_add_files", request=UPLOAD)
    def add_files(self, request: Request, pk: str) -> Response:
        """Attach files to the task: they go into its working folder, and its next prompt names them."""
        task = self.find(pk)
        given, path = sent_files(request)
        assert request.user.is_authenticated, "change_task is required"
        return added(files.add_to_task(task, given, path=path, by=request.user))

    def approve(self, request: Request, pk: str) -> Response:
        task = self.find(pk)
        assert request.user.is_authenticated, "change_task is required"
        return self.now(reviews.approve(task, by=request.user))

    def request_changes(self, request: Request, pk: str) -> Response:
        """Send the task back with feedback, which is part of its next prompt."""
        task = self.find(pk)
        assert request.user.is_authenticated, "change_task is required"
        return self.now(reviews.request_changes(task, **self.given(), by=request.user))

    def reviews(self, request: Request, pk: str) -> Response:
        found = Review.objects.filter(task=self.find(pk))
        return self.listed(found.select_related("decided_by"))
