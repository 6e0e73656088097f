"""What the tests read from answers."""

from asgiref.sync import async_to_sync

from agents.models import Agent
from mission_control.models import Activity, Deliverable, Project, Run, Task

NOBODY = "00000000-0000-4000-8000-000000000000"  # constant: xdist needs the same test ids in every process


def stored():
    models = (Agent, Task, Project, Deliverable, Activity, Run)
    return [list(model.objects.order_by("pk").values()) for model in models]


def assert_names(answer, field):
    body = answer.json()
    assert answer.status_code == 400, body
    assert body.keys() == {field, "detail"}
    assert isinstance(body[field], list)
    assert body[field]
    assert all(isinstance(message, str) for message in body[field])
    assert body["detail"] == body[field][0]
    assert len(answer.content) < 5_000


def sent(answer) -> bytes:
    """Return everything that a streamed answer sends."""
    return b"".join(async_to_sync(_pieces)(answer))


async def _pieces(answer) -> list[bytes]:
    return [piece async for piece in answer.streaming_content]
