"""What single lines of the known agents' JSON become, where a whole transcript would not show it."""

from agents.backends.base import BackendEvent, EventType
from agents.backends.programs.formats import Claude


def said(reader: Claude, *lines: dict) -> str:
    items = [item for line in lines for item in reader.read(line)]
    events = [item for item in items if isinstance(item, BackendEvent) and item.type == EventType.MESSAGE]
    return "".join(event.content for event in events)


def whole(message: str, text: str) -> dict:
    return {"type": "assistant", "message": {"id": message, "content": [{"type": "text", "text": text}]}}


def streamed(event: dict) -> dict:
    return {"type": "stream_event", "parent_tool_use_id": None, "event": event}


def test_claudes_message_that_came_in_pieces_is_told_once_and_one_that_came_whole_too():
    """After a dropped connection the CLI asks again without streaming: that answer comes whole, or never."""
    pieces = [
        streamed({"type": "message_start", "message": {"id": "first"}}),
        streamed({"type": "content_block_start", "content_block": {"type": "text"}}),
        streamed({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "In pieces."}}),
        whole("first", "In pieces."),
    ]
    assert said(Claude(), *pieces, whole("second", " At once.")) == "In pieces.\n\n At once."
