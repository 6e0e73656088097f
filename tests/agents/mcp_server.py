"""A real MCP server of the official SDK: `stdio`, or `http`, which prints its port. Its tool repeats a text.

With PASSPHRASE in its environment, HTTP requests must have it in their Authorization header.
"""

import os
import socket
import sys

import uvicorn
from mcp.server import MCPServer
from starlette.responses import PlainTextResponse

server = MCPServer("parrot")


@server.tool()
def repeat(text: str) -> str:
    """Repeat a text."""
    return f"{text}, {text}! {os.environ.get('PARROT_MOOD', '')}".strip()


@server.tool()
def look(path: str) -> str:
    """Return whether a path is there, and the names of all variables."""
    return f"{os.path.exists(path)} {sorted(os.environ)}"


@server.tool()
def refuse() -> str:
    """Fail."""
    raise ValueError("the parrot refuses")


def guarded(app):
    expected = os.environ.get("PASSPHRASE")

    async def answer(scope, receive, send):
        given = dict(scope.get("headers", ())).get(b"authorization", b"").decode()
        if scope["type"] == "http" and expected and given != f"Bearer {expected}":
            await PlainTextResponse("who are you?", status_code=401)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return answer


if sys.argv[1] == "stdio":
    server.run()
else:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)  # from now on connections wait, even if the server takes long to start
        print(listener.getsockname()[1], flush=True)
        app = guarded(server.streamable_http_app())
        uvicorn.Server(uvicorn.Config(app, log_level="error")).run([listener])
