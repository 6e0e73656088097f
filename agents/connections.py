"""Connections: the programs that a superuser has allowed, and the keys of providers that one has entered.

They are stored in the database, so that they reach the workers of every machine. Backends do not read the
database, so `refresh` passes connections on to them: before a run, and before anything that reports what can run.
Backends find a key in the environment, as if the operator had set it there. A variable that the operator has set
takes precedence.
"""

import os
import threading
from collections.abc import Mapping

from django.conf import settings
from django.db.models import TextField, Value

from agents.backends.programs.allowed import grant
from agents.models import AllowedProgram, ProviderKey
from agents.redaction import remember_secrets
from agents.sealing import unseal

# The keys that can be entered, by the variable in which backends look for them.
KEYS = {
    "ANTHROPIC_API_KEY": "Anthropic",
    "OPENAI_API_KEY": "OpenAI",
    "GEMINI_API_KEY": "Google Gemini",
    "OPENROUTER_API_KEY": "OpenRouter",
    "MISTRAL_API_KEY": "Mistral",
    "GROQ_API_KEY": "Groq",
    "DEEPSEEK_API_KEY": "DeepSeek",
    "CEREBRAS_API_KEY": "Cerebras",
    "TOGETHER_API_KEY": "Together",
    "FIREWORKS_API_KEY": "Fireworks",
    "CLAUDE_CODE_OAUTH_TOKEN": "Claude subscription (claude setup-token)",
    "CODEX_API_KEY": "Codex CLI",
    "COPILOT_GITHUB_TOKEN": "GitHub Copilot CLI",
}

_lock = threading.Lock()
_set_here: dict[str, str] = {}  # the variables of this process that come from the database


def refresh() -> None:
    """Read the connections from the database; ignore them if only the environment decides here. One query."""
    if not settings.CONNECTIONS_BY_PAGE:
        grant(())
        _set_keys({})
        return
    no_key = Value("", output_field=TextField())
    programs = AllowedProgram.objects.order_by().values_list("name", no_key)
    rows = list(programs.union(ProviderKey.objects.order_by().values_list("variable", "sealed"), all=True))
    grant(sorted(name for name, sealed in rows if not sealed))
    opened = {name: unseal(name, sealed) for name, sealed in rows if sealed and name in KEYS}
    _set_keys({variable: value for variable, value in opened.items() if value})


def is_of_environment(variable: str) -> bool:
    """Return whether the operator has set the variable in the environment of this process."""
    return variable not in _set_here and bool(os.environ.get(variable, "").strip())


def _set_keys(keys: Mapping[str, str]) -> None:
    """Make exactly these keys available to backends, and remove them from all output."""
    with _lock:
        for variable in [*_set_here]:
            if variable not in keys:
                os.environ.pop(variable, None)
                del _set_here[variable]
        for variable, value in keys.items():
            if not is_of_environment(variable) and _set_here.get(variable) != value:
                remember_secrets(value)
                os.environ[variable] = _set_here[variable] = value
