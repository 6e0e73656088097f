"""Translate the errors of requests to messages for users."""

import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from agents.backends.base import BackendError, QuotaUsedUp, TransientError
from agents.backends.pydantic_ai.answer import TOOL_RETRIES
from agents.backends.pydantic_ai.endpoints import PROVIDERS, Endpoint
from agents.backends.pydantic_ai.wire import AnswerBrokenOff, ServerError, WireError, words_of
from agents.backends.quota import LONGEST_WAIT_IN_CALL, reset_time, reset_time_of_headers
from agents.redaction import shown_error

WORDS_OF_PROVIDER_CHARS = 100
RETRIES_WITHOUT_SERVER = 1
_EMPTY = ("output retries", "without content")  # pydantic-ai's words for an empty answer


def failure_of(error: Exception, endpoint: Endpoint) -> BackendError:
    """Return the failure with a message for users: a TransientError if it is temporary."""
    from pydantic_ai import exceptions as failure

    if wire := _wire_error(error):
        return _failure_on_wire(wire, endpoint)
    message = _message_of(error, endpoint)
    if used_up := _used_up_quota(error, message, endpoint):
        return used_up
    passing = (failure.ModelUnavailableError, failure.ModelServerError, failure.ModelConnectionError)
    if isinstance(error, failure.ModelRateLimitError):
        return TransientError(message, retry_after_seconds=error.retry_after)
    # A timeout is not retried: it has taken the full time of a request already.
    passes = isinstance(error, passing) and not isinstance(error, failure.ModelTimeoutError)
    if passes and _is_no_server_there(error):
        return TransientError(message, most_retries=RETRIES_WITHOUT_SERVER)
    if passes:
        return TransientError(message, retry_after_seconds=getattr(error, "retry_after", None))
    return BackendError(message)


def _used_up_quota(error: Any, message: str, endpoint: Endpoint) -> QuotaUsedUp | None:
    """Return the error of a quota that is used up, or of a rate limit that ends too late to wait for it."""
    from pydantic_ai import exceptions as failure

    is_quota = isinstance(error, failure.ModelQuotaExceededError)
    if not is_quota and not isinstance(error, failure.ModelRateLimitError):
        return None
    now, resets_at = datetime.now(UTC), None
    with suppress(OverflowError, ValueError):
        if error.retry_after:
            resets_at = now + timedelta(seconds=error.retry_after)
    resets_at = resets_at or reset_time_of_headers(_headers_of(error)) or reset_time(_words_of(error))
    if is_quota or (resets_at is not None and resets_at - now > LONGEST_WAIT_IN_CALL):
        return QuotaUsedUp(message, account=endpoint.account, resets_at=resets_at)
    return None


def _headers_of(error: Exception) -> Mapping[str, str]:
    """Return the headers of the provider's answer, if its SDK keeps them."""
    return getattr(getattr(error.__cause__, "response", None), "headers", None) or {}


def _wire_error(error: BaseException | None) -> WireError | None:
    """Return our own error from `wire`, which the SDKs wrap in their errors; None if there is none."""
    for _ in range(10):
        if error is None or isinstance(error, WireError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _failure_on_wire(error: WireError, endpoint: Endpoint) -> BackendError:
    if isinstance(error, AnswerBrokenOff):
        return TransientError(f"The answer of {_inline(endpoint.title)} broke off before it was complete")
    if not isinstance(error, ServerError):
        return BackendError(f"{endpoint.title} {error}")
    if words := _shortened(str(error)):
        return BackendError(f"{endpoint.title} failed: {words}")
    return BackendError(f"{endpoint.title} sent no answer that can be used. Is it a model server?")


def _is_no_server_there(error: BaseException) -> bool:
    """Return whether no server is at the address: nothing listens, or the name is unknown.

    It is retried once, because a server that is starting will be there soon.
    """
    cause = error.__cause__ or error.__context__
    if isinstance(cause, socket.gaierror):
        return cause.errno != socket.EAI_AGAIN  # a failure of the name server
    return isinstance(cause, ConnectionRefusedError) or (cause is not None and _is_no_server_there(cause))


def _message_of(error: Exception, endpoint: Endpoint) -> str:  # noqa: C901 - a table: a case for each failure
    from pydantic_ai import exceptions as failure

    who, model = endpoint.title, endpoint.model_name
    status = getattr(error, "status_code", None)
    code = f" (HTTP {status})" if status else ""
    match error:
        case failure.ModelAuthenticationError():
            return f"{who} refused the key{code}. {_key_advice(endpoint)}"
        case failure.ModelNotFoundError():
            return f"{who} does not know the model {model}{code}{_provider_message(error)}"
        case failure.ModelContextWindowExceededError():
            return f"The prompt is longer than {model} can read{code}{_provider_message(error)}"
        case failure.ModelQuotaExceededError():
            return f"The account at {_inline(who)} has no quota left{code}{_provider_message(error)}"
        case failure.ModelRateLimitError():
            wait = f"; try again in {error.retry_after:.0f} s" if error.retry_after else "; try again later"
            return f"{who} is rate-limiting requests{code}{wait}"
        case failure.ModelUnavailableError() | failure.ModelServerError():
            return f"{who} failed{code}; try again later{_provider_message(error)}"
        case failure.ModelTimeoutError():
            return f"{who} did not answer in time"
        case failure.ModelConnectionError(phase="connect" | "pool"):
            return f"{who} cannot be reached. Is it running, and is the address right?"
        case failure.ModelConnectionError():
            return f"The connection to {_inline(who)} broke off before the answer was complete"
        case failure.ModelAPIError() if status:
            return f"{who} refused the request{code}{_provider_message(error)}"
        case failure.ModelAPIError():
            return f"{who} sent an answer that cannot be understood{_provider_message(error)}"
        case failure.ContentFilterError():
            return f"{who} held the answer back: its content filter was triggered"
        case failure.OutputTokenLimitExceeded():
            return "The limit of tokens was reached before the model had said anything; raise `max_tokens`"
        case failure.UsageLimitExceeded():
            return "The model asked for tools again and again, and was stopped: the answer took too many requests"
        case failure.UnexpectedModelBehavior(message=message) if message.startswith("Tool "):
            return f"The model called a tool wrongly, {TOOL_RETRIES + 1} times in a row"
        case failure.UnexpectedModelBehavior(message=message) if any(part in message for part in _EMPTY):
            return "The model returned an empty answer"
        case failure.UnexpectedModelBehavior():
            return f"{who} sent no answer that can be used"
    if not endpoint.trusted:  # the text of an unexpected error may come from the server
        return f"{who} could not be asked: {type(error).__name__}"
    return f"{who} could not be asked: {shown_error(f'{type(error).__name__}: {error}')}"


def _inline(title: str) -> str:
    return title.replace("The server", "the server", 1)


def _provider_message(error: Any) -> str:
    """Return the message of the provider's JSON error, if it sent one, to append to a sentence."""
    words = _shortened(_words_of(error))
    return f": {words}" if words else ""


def _words_of(error: Any) -> str:
    """Return the message of the provider's JSON error, if it sent one."""
    response = getattr(error.__cause__, "response", None)  # complete, if the SDK keeps it
    body = getattr(error, "body", None)
    with suppress(Exception):  # not read, or no response of this kind
        body = response.content if response is not None else body
    if response is None and isinstance(body, str):  # the `error` of an event in the stream
        body = {"error": body}
    return words_of(body)


def _shortened(words: str) -> str:
    """Return a server's message shortened, on one line, without secrets and paths."""
    words = shown_error(words)
    return f"{words[:WORDS_OF_PROVIDER_CHARS]}{'…' if len(words) > WORDS_OF_PROVIDER_CHARS else ''}"


def _key_advice(endpoint: Endpoint) -> str:
    if endpoint.provider:
        return f"Check {' or '.join(PROVIDERS[endpoint.provider].variables)} in the environment"
    if endpoint.trusted:
        return "Check OPENAI_API_KEY in the environment"
    return "Keys are only sent to the address in OPENAI_BASE_URL: set it, and OPENAI_API_KEY, in the environment"
