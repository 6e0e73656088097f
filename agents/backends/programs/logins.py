"""Check whether a known program is logged in, by its files and variables, without the network."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from agents.backends.programs.allowed import Definition
from agents.backends.programs.places import places
from agents.backends.programs.presets import PRESETS, LoginCheck
from agents.backends.quota import account_of_key
from agents.folders import read_file

MAX_BYTES = 1_000_000
_USES_LOGIN_OF = {"claude-agent-acp": "claude", "codex-acp": "codex"}  # adapters
_LOGIN_FOLDERS = ("HOME=", "CLAUDE_CONFIG_DIR=", "CODEX_HOME=", "COPILOT_HOME=", "QWEN_HOME=")


def missing_login(login: LoginCheck, environment: Mapping[str, str], how: str) -> str | None:
    """Return advice about a missing login; None if there is a login, or if that cannot be determined.

    `how` is the isolation: another user's home is not readable for us, and on a Mac logins are in the keychain.
    """
    if how.startswith("user:") or sys.platform == "darwin" or has_login(login, environment):
        return None
    return login.advice


def has_login(login: LoginCheck, environment: Mapping[str, str]) -> bool:
    """Return whether a variable or a file shows that the program is logged in."""
    if any(environment.get(name, "").strip() for name in login.variables):
        return True
    return any(_is_login(path, login) for path in places(environment, *login.files))


def claudes_account(environment: Mapping[str, str]) -> str:
    """Return whose quota Claude uses: that of a cloud provider, of a key, or of the login in its configuration."""
    clouds = ("BEDROCK", "VERTEX", "FOUNDRY")
    if cloud := next((one for one in clouds if environment.get(f"CLAUDE_CODE_USE_{one}", "").strip()), ""):
        return f"claude:{cloud.lower()}"
    for name in ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"):  # the first one is used
        if key := environment.get(name, "").strip():
            return account_of_key("claude", key)
    return "claude"


def account_of(definition: Definition, environment: Mapping[str, str], model: str = "") -> str:
    """Return whose quota a program uses: that of a key in its environment, or else of its login.

    A program with a login folder that its definition sets has an account of its own. OpenCode has one for each
    provider, which is the first part of the model's name.
    """
    program = Path(definition.argv[0]).name
    name = _USES_LOGIN_OF.get(program, program if program in PRESETS else definition.name)
    if name == "opencode" and "/" in model:
        return f"{name}:{model.partition('/')[0]}"
    account = (
        claudes_account(environment) if name == "claude" else _account_of_key_in(environment, name, definition)
    )
    has_own_login = any(entry.startswith(_LOGIN_FOLDERS) for entry in definition.env)
    return f"{name}:{definition.name}" if account == name and has_own_login else account


def _account_of_key_in(environment: Mapping[str, str], name: str, definition: Definition) -> str:
    for variable in definition.login.variables if definition.login else ():
        key = environment.get(variable, "").strip()
        if key and re.search(r"_(?:KEY|TOKEN)\Z", variable):
            return account_of_key(name, key)
    return name


def _is_login(path: Path, login: LoginCheck) -> bool:
    words = login.words.get(path.name)
    try:
        text = read_file(path, MAX_BYTES if words else 1).decode(errors="replace")
    except OSError:
        return False
    return re.search(words, text) is not None if words else bool(text)
