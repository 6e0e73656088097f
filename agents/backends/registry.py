"""The registry of backends: name → dotted path of a class, which is imported when it is needed.

Listing the backends imports only our own modules, and none of these imports an agent's SDK.
"""

import logging
import math
from collections.abc import Callable
from importlib import import_module
from typing import Any

from django.conf import settings
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from agents.backends.approvals import APPROVAL_POLICY_SCHEMA, POLICY, wrong_policy
from agents.backends.base import Backend, BackendError, Setup
from agents.backends.mcp_servers.definitions import wrong_server
from agents.backends.programs.allowed import Allowed, granted, read_allowed_from
from agents.redaction import redact_secrets, shown_error

logger = logging.getLogger(__name__)

BUILT_IN = {
    "demo": "agents.backends.demo.Demo",
    "pydantic_ai": "agents.backends.pydantic_ai.PydanticAI",
    "claude_agent_sdk": "agents.backends.claude.ClaudeAgentSDK",
    "command": "agents.backends.command.Command",
    "acp": "agents.backends.acp.ACP",
    "openai_agents": "agents.backends.pydantic_ai.OpenAIAgents",
    "google_adk": "agents.backends.pydantic_ai.GoogleADK",
    "codex_cli": "agents.backends.command.CodexCLI",
    "opencode": "agents.backends.command.OpenCode",
    "copilot_sdk": "agents.backends.command.Copilot",
}


class UnknownBackend(BackendError):
    """No backend has this name."""


class BrokenBackend(BackendError):
    """The backend's class cannot be imported, or is not a Backend."""


class OptionsError(BackendError):
    """The options are invalid for the backend. `option` names the invalid one; None for all of them."""

    def __init__(self, message: str, *, option: str | None = None) -> None:
        super().__init__(message)
        self.option = option


def names() -> list[str]:
    """Return the names of all backends, built-in ones first; a third party may replace a built-in one."""
    return list(_paths())


def get(name: str) -> type[Backend]:
    """Import and return the backend's class. Raises UnknownBackend, BrokenBackend."""
    path = _paths().get(name)
    if path is None:
        raise UnknownBackend(f"Unknown backend `{name[:50]}`. Available: {', '.join(names())}")
    module, _, attribute = path.rpartition(".")
    try:
        backend = getattr(import_module(module), attribute)
    except Exception as error:  # a third party's module may raise anything
        logger.warning("backend %s cannot be imported", name, exc_info=error)
        raise BrokenBackend(
            shown_error(f"The backend `{name}` cannot be imported: {_error_text(error)}")
        ) from None
    if not (isinstance(backend, type) and issubclass(backend, Backend)):
        raise BrokenBackend(f"The backend `{name}` is not a subclass of Backend")
    return backend


def check_options(name: str, options: Any) -> None:
    """Raise OptionsError for options that the backend does not accept. Raises UnknownBackend.

    For a backend that cannot be imported any object is accepted, because its options are unknown.
    """
    if not isinstance(options, dict):
        raise OptionsError("The options must be an object")
    try:
        schema = schema_of(get(name))
    except BrokenBackend:
        return
    if POLICY in options and POLICY not in schema.get("properties", {}):
        raise OptionsError(
            f"The backend `{name}` cannot ask for approval, so it cannot keep the option `{POLICY}`. "
            f"Backends that can: {', '.join(_with_approvals()) or 'none'}",
            option=POLICY,
        )
    errors = sorted(_Validator(schema).iter_errors(options), key=_place_of)
    if errors:
        raise _options_error(errors[0])
    model = options.get("model")
    if isinstance(model, str) and redact_secrets(model) != model:
        raise OptionsError(
            "The option `model` must be a model's name; this looks like a key, which belongs in the environment",
            option="model",
        )


def schema_of(backend: type[Backend]) -> dict[str, Any]:
    """Return the schema of a backend's options, with the policy that all backends with approvals have."""
    schema = backend.options_schema
    if "approvals" not in backend.capabilities:
        return schema
    return {**schema, "properties": {**schema.get("properties", {}), POLICY: APPROVAL_POLICY_SCHEMA}}


def _with_approvals() -> list[str]:
    return [name for name in names() if "approvals" in capabilities_of(name)]


def check_choices(name: str, options: Any) -> None:
    """Check the options of an agent that is saved: as `check_options`, and for what this machine allows."""
    check_options(name, options)
    try:
        backend = get(name)
    except BrokenBackend:
        return
    if wrong := backend.wrong_choice(options) or wrong_server(options) or wrong_policy(options):
        raise OptionsError(wrong[1], option=wrong[0])


def missing_for(name: str, options: Any) -> str | None:
    """Return what this machine lacks for an agent with this backend and these options; None if it can run."""
    return _missing(name, lambda backend: backend.missing_for(options))


def setup_of(name: str, options: Any) -> Setup:
    """Return how the backend is set up for an agent with these options."""
    try:
        return get(name).setup(options)
    except (BrokenBackend, UnknownBackend) as error:
        return Setup(str(error))
    except Exception as error:  # a third party's `setup`
        logger.warning("backend %s cannot say what its options may be", name, exc_info=error)
        return Setup(shown_error(f"The backend `{name}` failed to report its set-up: {_error_text(error)}"))


def capabilities_of(name: str) -> tuple[str, ...]:
    """Return the capabilities of a backend; none if it does not exist or cannot be imported."""
    try:
        return get(name).capabilities
    except (BrokenBackend, UnknownBackend):
        return ()


def reads_itself(name: str, options: Any) -> frozenset[str]:
    """Return which files of the working folder the backend's program reads without being told to."""
    try:
        return get(name).reads_itself(options)
    except Exception as error:  # a third party's, or a backend that is gone
        logger.warning("backend %s cannot say what it reads", name, exc_info=error)
        return frozenset()


def account_of(name: str, options: Any) -> str:
    """Return the account whose quota an agent with this backend and these options uses; empty if unknown."""
    try:
        return get(name).account(options)
    except Exception as error:  # noqa: BLE001 - an agent without its key, or a third party's `account`
        logger.debug("backend %s cannot say which account it uses: %s", name, type(error).__name__)
        return ""


def describe() -> list[dict[str, Any]]:
    """Return the description of each backend for clients."""
    return [_description(name) for name in names()]


def _allowed() -> Allowed:
    return Allowed(
        commands={**granted(), **getattr(settings, "MISSION_CONTROL_COMMANDS", {})},
        isolation=getattr(settings, "AGENT_ISOLATION", "auto"),
        closed=tuple(getattr(settings, "CLOSED_TO_AGENTS", ())),
        skills=getattr(settings, "SKILLS_DIR", None),
        conversations=getattr(settings, "CONVERSATIONS_DIR", None),
        mcp_commands=getattr(settings, "MCP_COMMANDS", {}),
        mcp_variables=getattr(settings, "MCP_VARIABLES", frozenset()),
        mcp_hosts=_hosts("MCP_HOSTS"),
        model_servers=_hosts("MODEL_SERVERS"),
        sandbox_paths=tuple(getattr(settings, "SANDBOX_PATHS", ())),
        projects=getattr(settings, "PROJECTS_DIR", None),
        caches=getattr(settings, "CACHES_DIR", None),
    )


def _hosts(setting: str) -> frozenset[str]:
    return frozenset(one.strip().lower() for one in getattr(settings, setting, ()) if one.strip())


read_allowed_from(_allowed)  # backends do not read settings themselves


def _paths() -> dict[str, str]:
    return {**BUILT_IN, **settings.MISSION_CONTROL_BACKENDS}


def _error_text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _description(name: str) -> dict[str, Any]:
    reason = _missing(name, lambda backend: backend.missing())
    try:
        backend = get(name)
    except BrokenBackend:
        backend = None
    return {
        "name": name,
        "display_name": backend.display_name if backend else name,
        "available": reason is None,
        "reason": reason,
        "capabilities": list(backend.capabilities) if backend else [],
        "options_schema": schema_of(backend) if backend else {"type": "object"},
    }


def _missing(name: str, ask: Callable[[type[Backend]], str | None]) -> str | None:
    try:
        return ask(get(name))
    except (BrokenBackend, UnknownBackend) as error:
        return str(error)
    except Exception as error:  # a third party's `missing`
        logger.warning("backend %s cannot say what it misses", name, exc_info=error)
        return shown_error(f"The backend `{name}` failed to report what is missing: {_error_text(error)}")


# ---------------------------------------------------------------- error messages for options
def _is_number(_: object, value: object) -> bool:
    """Return whether the value is a JSON number: not a boolean, NaN or infinity."""
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


_Validator: type[Draft202012Validator] = extend(
    Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", _is_number)
)

_WORDS = {
    "minimum": "must be at least {value}",
    "exclusiveMinimum": "must be more than {value}",
    "maximum": "must be at most {value}",
    "exclusiveMaximum": "must be less than {value}",
    "minLength": "must have at least {value} characters",
    "maxLength": "must have at most {value} characters",
    "minItems": "must have at least {value} entries",
    "maxItems": "must have at most {value} entries",
    "maxProperties": "must have at most {value} entries",
    "enum": "must be one of {value}",
    "pattern": "must be {description}",
}
_TYPES = {
    "string": "a string",
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def _place_of(error: ValidationError) -> list[str]:
    """Return the path of the error as a sort key; entries of a list are in the order of their numbers."""
    return [f"{part:09}" if isinstance(part, int) else str(part) for part in error.path]


def _options_error(error: ValidationError) -> OptionsError:
    option = ".".join(str(part) for part in error.path) or None
    if error.validator == "additionalProperties":
        return _unknown_option(error, option)
    if special := _special_message(error):
        return OptionsError(
            f"The option `{option}` {special}" if option else f"The options {special}", option=option
        )
    if error.validator == "required":
        lacking = next(key for key in error.validator_value if key not in error.instance)
        option = f"{option}.{lacking}" if option else lacking
        return OptionsError(f"The option `{option}` is required", option=option)
    return OptionsError(f"{_subject(option)} {_complaint(error)}", option=option)


def _subject(option: str | None) -> str:
    return f"The option `{option}`" if option else "The options"


def _special_message(error: ValidationError) -> str:
    """Return the schema's own message for this keyword, from its `x-errors`; empty if it has none."""
    messages = error.schema.get("x-errors", {}) if isinstance(error.schema, dict) else {}
    return str(messages.get(error.validator, ""))


def _complaint(error: ValidationError) -> str:
    value = error.validator_value
    if error.validator == "type":
        allowed = [value] if isinstance(value, str) else value
        return "must be " + " or ".join(_TYPES.get(kind, kind) for kind in allowed)
    if error.validator == "enum":
        value = ", ".join(str(choice) for choice in value)
    description = error.schema.get("description", "of another form")
    return _WORDS.get(error.validator, "is not valid").format(value=value, description=description)


def _unknown_option(error: ValidationError, parent: str | None) -> OptionsError:
    known = error.schema.get("properties", {})
    unknown = next((str(key)[:50] for key in error.instance if key not in known), "?")
    option = f"{parent}.{unknown}" if parent else unknown
    if special := _special_message(error):
        return OptionsError(f"The option `{option}` {special}", option=option)
    return OptionsError(f"Unknown option `{option}`. Available: {', '.join(known) or 'none'}", option=option)
