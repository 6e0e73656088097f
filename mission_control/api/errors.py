"""Answers for all errors, as in the contract's "Errors". No text comes from a traceback or the database."""

import logging
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DataError, IntegrityError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse, UnreadablePostError
from rest_framework import exceptions
from rest_framework.response import Response

from mission_control.errors import Refusal
from mission_control.text import storable

MESSAGES_A_FIELD = 10
MESSAGE_CHARS = 300
GENERAL = ("detail", "non_field_errors", "__all__")

logger = logging.getLogger(__name__)


def exception_handler(exception: Exception, _context: dict[str, Any]) -> Response | None:
    """Return the answer to an exception in a REST view; None for an error of our own."""
    answer = _answer(exception)
    if answer is None:
        return None
    status, body, headers = answer
    return Response(body, status=status, headers=headers)


def not_found(_request: HttpRequest, **_: str) -> JsonResponse:
    """Answer 404 for an API path that does not exist."""
    return JsonResponse({"detail": exceptions.NotFound.default_detail}, status=404)


def _answer(exception: Exception) -> tuple[int, dict[str, Any], dict[str, str]] | None:
    """Return status, body and headers; None for an unexpected exception."""
    if isinstance(exception, Refusal):
        body = {name: _told(value) for name, value in {**exception.body, "detail": exception.detail}.items()}
        return exception.status, body, _retry_after(exception)
    if isinstance(exception, IntegrityError | DataError) or _is_deadlock(exception):
        # The request was validated before, so only a concurrent change can cause this.
        logger.warning("the database refused a change", exc_info=exception)
        return 409, {"detail": "What this refers to was changed at the same moment. Try again."}, {}
    exception = _as_api_exception(exception)
    if not isinstance(exception, exceptions.APIException):
        return None
    headers = {"WWW-Authenticate": "Bearer"} if exception.status_code == 401 else {}
    if isinstance(exception, exceptions.ValidationError):
        return 400, _field_errors(exception.detail), headers
    return exception.status_code, {"detail": _told(str(exception.detail))}, headers


def _is_deadlock(exception: Exception) -> bool:
    """Return whether PostgreSQL aborted this transaction to end a deadlock with another one."""
    return isinstance(exception, OperationalError) and getattr(exception.__cause__, "sqlstate", "") == "40P01"


def _retry_after(refusal: Refusal) -> dict[str, str]:
    seconds = getattr(refusal, "retry_after_seconds", None)
    return {} if seconds is None else {"Retry-After": str(seconds)}


def _as_api_exception(exception: Exception) -> Exception:
    """Convert Django's exceptions for bad requests to DRF's; return any other exception unchanged."""
    if isinstance(exception, Http404):
        return exceptions.NotFound()
    if isinstance(exception, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(exception, RequestDataTooBig):
        return TooLarge()
    if isinstance(exception, SuspiciousOperation | UnreadablePostError):
        return exceptions.ParseError("The request cannot be read.")
    return exception


class TooLarge(exceptions.APIException):
    status_code = 413
    default_detail = "The body is too large."


def _field_errors(detail: Any) -> dict[str, Any]:
    """Return `{"<field>": ["…"], "detail": "<the first of them>"}`; each message names its field."""
    if not isinstance(detail, dict):
        detail = {"detail": detail}
    fields: dict[str, list[str]] = {}
    for name, value in detail.items():
        sentences = [_sentence(name, message) for message in _messages(value)]
        fields[name] = list(dict.fromkeys(sentences))[:MESSAGES_A_FIELD]
    first = next((sentences[0] for sentences in fields.values() if sentences), "The request is not valid.")
    return {**{name: texts for name, texts in fields.items() if name not in GENERAL}, "detail": first}


def _messages(value: Any) -> Iterator[str]:
    """Yield the messages from DRF's nested dicts and lists."""
    if isinstance(value, dict):
        value = value.values()
    elif isinstance(value, str):
        yield value
        return
    for item in value:
        yield from _messages(item)


def _sentence(field: str, message: str) -> str:
    if field in GENERAL:
        return _cut(message)
    name = field.replace("_", " ")
    label = name.capitalize()
    text = message.replace("This field", label).replace("this field", name)
    return _cut(text if name in text.lower() else f"{label}: {text}")


def _told(value: Any) -> Any:
    """Shorten texts and replace characters that JSON cannot carry; return other values unchanged."""
    if isinstance(value, list):
        return [_told(item) for item in value]
    return _cut(value) if isinstance(value, str) else value


def _cut(text: str) -> str:
    return storable(text[:MESSAGE_CHARS])
