"""What stands between the server and Django's views: sizes and charsets that no view could refuse in time."""

import json

from django.core.handlers.asgi import ASGIRequest
from django.utils.http import parse_header_parameters


class Request(ASGIRequest):
    """A request whose charset changes nothing: bodies and queries are UTF-8.

    Django would parse the query again for a charset, while it makes the request, where an error of the query is
    nobody's to answer.
    """

    def _set_content_type_params(self, meta) -> None:
        self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))


class BodyTooLarge(Exception):
    pass


class BodyLimit:
    """ASGI middleware: a body over `max_bytes` is answered 413 with the API's form of an error."""

    def __init__(self, app, *, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope, receive, send):
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.max_bytes:
            await self.refuse(send)
            return
        taken = 0

        async def counted():
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.max_bytes:
                raise BodyTooLarge
            return message

        try:
            await self.app(scope, counted, send)
        except BodyTooLarge:
            await self.refuse(send)

    async def refuse(self, send) -> None:
        body = json.dumps({"detail": f"The body is larger than {self.max_bytes} bytes"}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": body})
