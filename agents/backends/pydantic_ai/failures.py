"""What went wrong with a request, in words for people."""

import socket
from typing import Any

from agents.backends.base import BackendError, TransientError
from agents.backends.pydantic_ai.answer import TOOL_RETRIES
from agents.backends.pydantic_ai.endpoints import PROVIDERS, Endpoint
from agents.redaction import shown_error

WORDS_OF_PROVIDER_CHARS = 100
RETRIES_OF_NOBODY = 1


def explained(error: Exception, endpoint: Endpoint) -> BackendError:
    """Return the failure for people, told apart by whether it passes."""
    from pydantic_ai import exceptions as failure

    message = _explain(error, endpoint)
    passing = (failure.ModelUnavailableError, failure.ModelServerError, failure.ModelConnectionError)
    if isinstance(error, failure.ModelRateLimitError):
        return TransientError(message, retry_after_seconds=error.retry_after)
    broke_off = isinstance(error, failure.ModelAPIError) and "finish_reason" in error.message
    # Who was silent for as long as a request may take is not asked again and again.
    passes = isinstance(error, passing) and not isinstance(error, failure.ModelTimeoutError)
    if passes and _is_nobody_there(error):
        return TransientError(message, most_retries=RETRIES_OF_NOBODY)
    return TransientError(message) if passes or broke_off else BackendError(message)


def _is_nobody_there(error: BaseException) -> bool:
    """Say whether the address has no server: nothing listens, or no such name. One that starts is soon there."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, socket.gaierror):
        return cause.errno != socket.EAI_AGAIN  # which is the name server's own trouble
    return isinstance(cause, ConnectionRefusedError) or (cause is not None and _is_nobody_there(cause))


def _explain(error: Exception, endpoint: Endpoint) -> str:  # noqa: C901 - a table: a case for each failure
    from pydantic_ai import exceptions as failure

    who, model = endpoint.title, endpoint.model_name
    status = getattr(error, "status_code", None)
    code = f" (HTTP {status})" if status else ""
    match error:
        case failure.ModelAuthenticationError():
            return f"{who} refused the key{code}. {_key_advice(endpoint)}"
        case failure.ModelNotFoundError():
            return f"{who} does not know the model {model}{code}{_said(error)}"
        case failure.ModelContextWindowExceededError():
            return f"The prompt is longer than {model} can read{code}{_said(error)}"
        case failure.ModelQuotaExceededError():
            return f"The account at {_inline(who)} has no quota left{code}{_said(error)}"
        case failure.ModelRateLimitError():
            wait = f"; try again in {error.retry_after:.0f} s" if error.retry_after else "; try again later"
            return f"{who} limits the number of requests{code}{wait}"
        case failure.ModelUnavailableError() | failure.ModelServerError():
            return f"{who} failed{code}; try again later{_said(error)}"
        case failure.ModelTimeoutError():
            return f"{who} did not answer in time"
        case failure.ModelConnectionError(phase="connect" | "pool"):
            return f"{who} cannot be reached. Is it running, and is the address right?"
        case failure.ModelConnectionError():
            return f"The connection to {_inline(who)} broke off before the answer was complete"
        case failure.ModelAPIError(message=message) if "finish_reason" in message:
            return f"The answer of {_inline(who)} broke off before it was complete"
        case failure.ModelAPIError() if status:
            return f"{who} refused the request{code}{_said(error)}"
        case failure.ModelAPIError():
            return f"{who} sent an answer that cannot be understood{_said(error)}"
        case failure.ContentFilterError():
            return f"{who} held the answer back: its content filter was triggered"
        case failure.OutputTokenLimitExceeded():
            return "The limit of tokens was reached before the model had said anything; raise `max_tokens`"
        case failure.UsageLimitExceeded():
            return "The model asked for tools again and again, and was stopped: its answer took too many requests"
        case failure.UnexpectedModelBehavior(message=message) if "retries" in message:
            return f"The model called a tool wrongly, {TOOL_RETRIES + 1} times in a row"
        case failure.UnexpectedModelBehavior():
            return f"{who} sent no answer that can be used"
    return f"{who} could not be asked: {shown_error(f'{type(error).__name__}: {error}')}"


def _inline(title: str) -> str:
    return title.replace("The server", "the server", 1)


def _said(error: Any) -> str:
    """Return the provider's own words, where it sent any: short, and without secrets and paths."""
    body = getattr(error, "body", None)
    if isinstance(body, dict):
        inner = body.get("error", body)
        body = inner.get("message") if isinstance(inner, dict) else inner
    if not isinstance(body, str) or not body.strip():
        return ""
    words = shown_error(body)
    return f": {words[:WORDS_OF_PROVIDER_CHARS]}{'…' if len(words) > WORDS_OF_PROVIDER_CHARS else ''}"


def _key_advice(endpoint: Endpoint) -> str:
    if endpoint.provider:
        return f"Check {' or '.join(PROVIDERS[endpoint.provider].variables)} in the environment"
    if endpoint.trusted:
        return "Check OPENAI_API_KEY in the environment"
    return "Keys are only sent to the address in OPENAI_BASE_URL: set it, and OPENAI_API_KEY, in the environment"
