"""Where the SDK and its CLI are installed, and whether they work together.

The CLI is the `claude` in PATH. The one in the SDK's wheel (390 MB) is for machines that have no `claude`, or one
that is too old. Nothing here imports the SDK or starts a program.
"""

import importlib
import importlib.util
import os
import re
from pathlib import Path

from agents.backends.base import BackendError
from agents.backends.programs.places import find_program
from agents.backends.programs.versions import version_in_files

PACKAGE = "claude_agent_sdk"
# The first version that takes a prompt literally when the SDK asks for it. An older one would replace `@file` in a
# prompt with the file's content, and an upstream task could make it do so.
OLDEST_CLI = (2, 1, 248)
NEEDED = ".".join(map(str, OLDEST_CLI))
INSTALL_SDK = "Install it on the page Agents → Connections, or with `make claude`"
INSTALL_CLI = "Install the Claude CLI with `npm install -g @anthropic-ai/claude-code`"
_NUMBERS = re.compile(r"(\d{1,5})\.(\d{1,5})\.(\d{1,5})")


def cli_path() -> str:
    """Return the path of the CLI to run. Raises BackendError that says what to install."""
    folder = sdk_folder()
    if folder is None:
        raise BackendError(f"Anthropic's SDK for Claude is missing. {INSTALL_SDK}")
    installed = find_program("claude")
    if installed and not is_too_old(version_in_files(installed)):
        return installed
    bundled = folder / "_bundled" / "claude"
    if os.access(bundled, os.X_OK):
        return str(bundled)
    raise BackendError(too_old(version_in_files(installed)) if installed else INSTALL_CLI)


def sdk_folder() -> Path | None:
    """Return the folder of the SDK's Python code; None if it is not installed. It may be installed at any time."""
    try:
        found = importlib.util.find_spec(PACKAGE)
        if found is None:
            importlib.invalidate_caches()  # it may have just been installed
            found = importlib.util.find_spec(PACKAGE)
    except (ImportError, ValueError):  # a half-removed package
        return None
    return Path(found.origin).parent if found and found.origin else None


def is_too_old(version: str) -> bool:
    """Return whether a CLI of this version is too old for the SDK; False if the version cannot be read."""
    numbers = _NUMBERS.match(version)
    return numbers is not None and tuple(map(int, numbers.groups())) < OLDEST_CLI


def too_old(version: str) -> str:
    """Return the error for a CLI that is too old."""
    return (
        f"The installed `claude` {version} is too old: {NEEDED} or newer is needed. "
        "Update it with `claude update`, or as you installed it"
    )
