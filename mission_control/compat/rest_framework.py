"""Django REST framework 3.18, from the inside.

Used: `APIView.initialize_request`, which makes DRF's request of Django's and is not documented as a method to
override; the attribute `initial_data` of a field's root serializer; `rest_framework.utils.html`.
"""

import os
from typing import Any

from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.utils import html
from rest_framework.viewsets import GenericViewSet


class ChunkedBodies(GenericViewSet[Any]):
    """Views that read a body sent in chunks. DRF takes a request without Content-Length for one without a body."""

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        if "CONTENT_LENGTH" not in request.META:
            request.META["CONTENT_LENGTH"] = str(_body_size(request))
        return super().initialize_request(request, *args, **kwargs)


def _body_size(request: HttpRequest) -> int:
    """Return the size of the body. A file is not read: it may be a large upload."""
    stream = getattr(request, "_stream", None)
    if stream is None or not stream.seekable():
        return len(request.body)
    stream.seek(0, os.SEEK_END)
    size = int(stream.tell())
    stream.seek(0)
    return size


def is_from_form(field: "serializers.Field[Any, Any, Any, Any]") -> bool:
    """Return whether an HTML form sent the field's value, in which everything is text."""
    return html.is_html_input(getattr(field.root, "initial_data", None))
