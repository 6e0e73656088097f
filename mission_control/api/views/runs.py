"""Runs, their events, and the capacity for them."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mission_control.actions.permissions import MESSAGE_RUN, RUN_TASK, STOP_RUN
from mission_control.api import querysets
from mission_control.api.filters import RunFilter
from mission_control.api.pagination import NUMBER, ListPagination, number_from
from mission_control.api.serializers.questions import RunMessageRequest, RunMessageSent
from mission_control.api.serializers.runs import (
    CapacityReader,
    ResumedRun,
    ResumeRequest,
    RunDetail,
    RunEventReader,
    RunEvents,
    RunReader,
    StoppedRun,
    WholeRunReader,
)
from mission_control.api.serializers.tasks import MessageReader
from mission_control.api.views.base import ObjectViews
from mission_control.errors import Ended, NotParked, WrongState
from mission_control.models import Run
from mission_control.runs import events, messages
from mission_control.runs.lifecycle import stop
from mission_control.runs.parking import continue_now
from mission_control.runs.slots import capacity


class RunViews(ObjectViews):
    """Runs: attempts at tasks, and the planning of projects."""

    queryset = querysets.runs()
    filterset_class = RunFilter
    noun, one, many, reader = "Run", "run", "runs", RunReader
    writers = {"resume": ResumeRequest, "send_message": RunMessageRequest}
    action_permissions = {"stop": STOP_RUN, "resume": RUN_TASK, "send_message": MESSAGE_RUN}
    answers = {
        "retrieve": RunDetail,
        "stop": StoppedRun,
        "resume": ResumedRun,
        "events": RunEvents,
        "send_message": RunMessageSent,
    }
    refusals = {"resume": [NotParked], "send_message": [Ended, WrongState]}

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response({"run": WholeRunReader(self.find(pk)).data})

    def stop(self, request: Request, pk: str) -> Response:
        run = stop(self.find(pk))
        return Response(
            {
                "status": "stopped",
                "run_id": run.pk,
                "task_id": run.task_id,
                "message": "Task execution stopped",
                "run": WholeRunReader(self.find(pk)).data,
            }
        )

    def resume(self, request: Request, pk: str) -> Response:
        """Let a run continue that is parked for a quota: try it now, or continue with another agent."""
        run = continue_now(self.find(pk), agent=self.given().get("agent"))
        waits = run.status == Run.Status.WAITING
        return Response(
            {
                "status": "waiting" if waits else "started",
                "message": "Run is queued for a free slot" if waits else "Run continues",
                "run": WholeRunReader(self.find(pk)).data,
            }
        )

    @extend_schema(operation_id="runs_send_message")
    def send_message(self, request: Request, pk: str) -> Response:
        """Send a message to the agent of an active run. 409, with the hint `follow_up`, if the run has ended."""
        run = self.find(pk)
        assert request.user.is_authenticated, "add_message is required"
        message, delivery = messages.send(run, by=request.user, **self.given())
        return Response({"message": MessageReader(message).data, "delivery": delivery})

    @extend_schema(
        parameters=[
            OpenApiParameter("after", NUMBER, description="Number of the last event the client has received."),
            OpenApiParameter("limit", NUMBER, description="Maximum number of events. Default 100, up to 500."),
        ]
    )
    def events(self, request: Request, pk: str) -> Response:
        run = self.find(pk)
        after = number_from(request, "after", 0)
        limit = min(number_from(request, "limit", ListPagination.default_limit), ListPagination.max_limit)
        rows = [event for event in events.after(run.pk, after, limit=limit) if event.seq <= run.last_seq]
        return Response(
            {
                "events": RunEventReader(rows, many=True).data,
                "count": max(run.last_seq - after, 0),
                "last_seq": run.last_seq,
                "status": run.status,
            }
        )


class CapacityView(APIView):
    """The maximum number of concurrent runs, and the current number."""

    queryset = Run.objects.all()
    answers = {"get": CapacityReader}

    def get(self, request: Request) -> Response:
        return Response(capacity())
