"""The frames that sockets and streams send. Each is built here, as "WebSocket" in the API contract defines."""

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, NamedTuple, Self

from django.utils import timezone
from rest_framework.utils.encoders import JSONEncoder

from mission_control.models import Activity, Run, RunEvent
from mission_control.text import SharedText

STARTED, OUTPUT, COMPLETED = "mc_task_started", "mc_task_output", "mc_task_completed"
PARKED, RESUMED = "mc_run_parked", "mc_run_resumed"
USAGE = "mc_run_usage"
ASKED, ANSWERED = "mc_question_created", "mc_question_answered"
PLANNING_PHASE, PLANNING_COMPLETE = "dw_planning_phase", "dw_planning_complete"
OF_A_TASK = {STARTED, OUTPUT, COMPLETED}  # in a planning run their `task_id` is null
OF_A_RUN = [STARTED, OUTPUT, PARKED, RESUMED, PLANNING_PHASE, PLANNING_COMPLETE, COMPLETED]
RESULT_CHARS = 200
# PocketPaw's own page knows three kinds of output.
KNOWN_TO_POCKETPAW = {"message", "tool_use", "tool_result"}


class _Fields(NamedTuple):
    seq: int
    event: str
    output_type: str
    data: str
    has_task: bool = True


class Frame(_Fields):
    """One frame, ready to send: `data` is JSON text. `seq` is 0 for a frame that belongs to no run's log.

    `has_task` is False for the frames of a planning run, which has no task.
    """

    @cached_property
    def text(self) -> SharedText:
        """The message to a WebSocket, built once for all of them."""
        return SharedText(f'{{"type": "system_event", "event_type": "{self.event}", "data": {self.data}}}')

    def as_sse(self) -> str:
        return f"id: {self.seq}\nevent: {self.event}\ndata: {self.data}\n\n"

    @property
    def changes_status(self) -> bool:
        """Whether the run got or gave up a slot with it."""
        return self.event in (STARTED, PARKED, RESUMED, COMPLETED)

    @property
    def is_last(self) -> bool:
        return self.event == COMPLETED


@dataclass(frozen=True, slots=True)
class RunHeader:
    """The fields of a run that its frames contain, or that decide which sockets receive them."""

    run_id: str
    task_id: str | None
    project_id: str | None
    agent_id: str | None
    agent_name: str
    task_title: str

    @classmethod
    def of(cls, run: Run) -> Self:
        return cls(
            str(run.pk),
            _text(run.task_id),
            _text(run.project_id),
            _text(run.agent_id),
            run.agent_name,
            run.task_title,
        )


def _text(value: uuid.UUID | None) -> str | None:
    return None if value is None else str(value)


def iso_time(value: datetime) -> str:
    """Return a time as the API contract writes it: ISO 8601, UTC as `Z`."""
    return value.isoformat().replace("+00:00", "Z")


def run_frames(header: RunHeader, events: Iterable[RunEvent]) -> list[Frame]:
    """Return the frames of a run's events, in the same order."""
    return [run_frame(header, event) for event in events]


def run_frame(header: RunHeader, event: RunEvent) -> Frame:
    """Return the frame of one event. The first and last event and the phases of planning have their own types."""
    phase = event.metadata.get("phase") if event.type == RunEvent.Type.STATUS else None
    data: dict[str, Any] = {"task_id": header.task_id, "run_id": header.run_id, "seq": event.seq}
    if phase == "started":
        name = STARTED
        data |= {
            "agent_id": header.agent_id,
            "agent_name": header.agent_name,
            "task_title": header.task_title,
        }
    elif phase == "ended":
        name = COMPLETED
        data |= {"agent_id": header.agent_id, "status": event.content, "error": event.metadata.get("error")}
    elif phase == "parked":
        name = PARKED
        data |= {key: event.metadata.get(key) for key in ("parked_for", "resumes_at", "question_id")}
        data |= {"message": event.content}
    elif phase == "resumed":
        name = RESUMED
        data |= {"agent_id": event.metadata.get("agent_id"), "message": event.content}
    elif phase == "planning":
        name = PLANNING_PHASE
        data |= {"project_id": header.project_id, "phase": event.metadata.get("step"), "message": event.content}
    elif phase == "planned":
        name = PLANNING_COMPLETE
        data |= {"project_id": header.project_id}
        data |= {key: event.metadata.get(key) for key in ("status", "title", "error")}
    else:
        name = OUTPUT
        data |= {"content": shown_content(event), "output_type": event.type}
    data["timestamp"] = iso_time(event.timestamp)
    return Frame(event.seq, name, event.type, json.dumps(data), header.task_id is not None)


def shown_content(event: RunEvent) -> str:
    """Return an event's content as frames and terminals show it; a tool's result is truncated."""
    if event.type == RunEvent.Type.TOOL_USE:
        return f"Using tool: {event.content}"
    if event.type == RunEvent.Type.TOOL_RESULT:
        return f"Tool result: {event.content[:RESULT_CHARS]}"
    return event.content


def activity_data(activity: Activity) -> dict[str, Any]:
    """Return an activity as the API and the frames show it."""
    return {
        "id": str(activity.uid),
        "type": activity.type,
        "agent_id": _text(activity.agent_id),
        "message": activity.message,
        "task_id": _text(activity.task_id),
        "document_id": _text(activity.document_id),
        "created_at": iso_time(activity.created_at),
        "metadata": activity.metadata,
    }


def activity_frame(activity: Activity) -> Frame:
    """Return the frame of a new activity."""
    data = {"activity": activity_data(activity), "timestamp": iso_time(activity.created_at)}
    return Frame(0, "mc_activity_created", "", json.dumps(data))


def usage_frame(run_id: str, task_id: str | None, usage: Mapping[str, Any]) -> Frame:
    """Return the frame with a running run's usage so far, given as the API shows it. It is not part of its log."""
    data = {"task_id": task_id, "run_id": run_id, "usage": usage, "timestamp": iso_time(timezone.now())}
    return Frame(0, USAGE, "", json.dumps(data), task_id is not None)


def changed_frame(kind: Literal["task", "project"], shown: Mapping[str, Any]) -> Frame:
    """Return the frame of a changed object, given as the API shows it."""
    data = {kind: shown, "timestamp": shown["updated_at"]}
    return Frame(0, f"mc_{kind}_updated", "", json.dumps(data, cls=JSONEncoder))


def question_frame(event: str, shown: Mapping[str, Any], at: datetime) -> Frame:
    """Return the frame of a new question, or of one that has ended, given as the API shows it."""
    return Frame(0, event, "", json.dumps({"question": shown, "timestamp": iso_time(at)}, cls=JSONEncoder))


def capacity_frame(capacity: dict[str, int]) -> Frame:
    """Return the frame with the number of slots and how many are taken."""
    return Frame(0, "mc_capacity", "", json.dumps({**capacity, "timestamp": iso_time(timezone.now())}))


def notifications_frame(count: int) -> Frame:
    """Return the frame with the number of notifications that ask a person to act; only for our own pages."""
    return Frame(0, "page_notifications", "", json.dumps({"count": count}))


def connection_info(**more: Any) -> str:
    """Return the message that a socket sends first; with more fields only for our own pages."""
    return json.dumps(
        {
            "type": "connection_info",
            "content": "Connected to Mission Control",
            "id": f"websocket_{uuid.uuid4()}",
            **more,
        }
    )


def error_text(message: str) -> str:
    """Return a socket's answer to an invalid message."""
    return json.dumps({"type": "error", "message": message, "content": message})
