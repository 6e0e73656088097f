"""A provider of OpenAI's Responses API that calls a tool in a namespace, as Codex names those of MCP servers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CALL = {"type": "function_call", "id": "f", "call_id": "call_1"}
USAGE = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}


@contextmanager
def calling(namespace: str, name: str, arguments: dict, answer: str) -> Iterator[str]:
    """Answer a request with the call of a tool, and one with its result with a text; yield the address."""
    call = {**CALL, "namespace": namespace, "name": name, "arguments": json.dumps(arguments)}
    said = {
        "type": "message",
        "role": "assistant",
        "id": "m",
        "content": [{"type": "output_text", "text": answer}],
    }

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            request = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            self.send({"type": "response.created", "response": {"id": "r"}})
            item = said if b"function_call_output" in request else call
            self.send({"type": "response.output_item.done", "item": item})
            self.send({"type": "response.completed", "response": {"id": "r", "usage": USAGE}})

        def do_GET(self):
            self.send_error(404)

        def send(self, event):
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
