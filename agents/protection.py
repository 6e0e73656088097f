"""How this machine is protected from the programs of agents, in words for the operator."""

import os
import sys
from dataclasses import dataclass
from enum import StrEnum

from agents import isolation

ROOT = (
    "The server runs as root, and so do the programs: one that breaks out of the sandbox controls the machine. "
    "Run the server as an ordinary user"
)


class Level(StrEnum):
    """How strongly programs are isolated from the server; `REFUSED`: they do not run at all."""

    SANDBOX = "sandbox"
    USER = "user"
    NONE = "none"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Protection:
    """The level of protection, a title and sentences for people."""

    level: Level
    title: str
    text: str


def protection(setting: str) -> Protection:
    """Return what protects this machine from the programs of agents, with this MISSION_CONTROL_AGENT_ISOLATION."""
    try:
        how = isolation.method(setting)
    except isolation.IsolationError as error:
        return Protection(Level.REFUSED, "Programs of agents cannot run", f"{_sentence(str(error))}.")
    if how == "bubblewrap":
        text = (
            "A program sees its project's folder, the system, the toolchains of the home folder without their "
            "logins, and its own login; no other file and no other process. It shares this machine's network."
        )
        root = f" {ROOT}." if os.getuid() == 0 else ""
        return Protection(Level.SANDBOX, "Programs of agents run in a sandbox (bubblewrap)", text + root)
    if how.startswith("user:"):
        name = how.removeprefix("user:")
        text = (
            f"A program can read and write what the user {name} can, and sees all processes. It shares this "
            "machine's network. It gets no toolchains of other users, and no caches for each project."
        )
        return Protection(Level.USER, f"Programs of agents run as the user {name}", text)
    return Protection(Level.NONE, "Programs of agents are not isolated", _unprotected(setting))


def _unprotected(setting: str) -> str:
    user = "root" if os.getuid() == 0 else "the server's own user"
    reach = (
        f"A program runs as {user} and can do everything that this user can: read the token, the database and the "
        "logins, and change all files."
    )
    if setting == "none":
        return f"{reach} MISSION_CONTROL_AGENT_ISOLATION=none says so."
    if not sys.platform.startswith("linux"):
        system = "macOS" if sys.platform == "darwin" else "this system"
        return (
            f"{reach} There is no sandbox for {system}. Set MISSION_CONTROL_AGENT_ISOLATION=user:<name> to run "
            "programs as another user, or run Mission Control on Linux, for example in a virtual machine."
        )
    return f"{reach} {_sentence(isolation.bubblewrap_problem() or '')}."


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".")
