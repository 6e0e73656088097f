"""What a scan finds, as plain data."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """The kinds of findings."""

    PROGRAM = "program"
    KEY = "key"
    SERVER = "server"


class State(StrEnum):
    """READY: can be used. NOT_LOGGED_IN: the program has no login. EMPTY: the server has no model. UNKNOWN: the
    program's login cannot be determined.
    """

    READY = "ready"
    NOT_LOGGED_IN = "not_logged_in"
    EMPTY = "empty"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something on this machine that an agent can use. `key` identifies it in URLs and stays the same."""

    key: str
    kind: Kind
    title: str
    state: State
    detail: str = ""  # in a few words, such as "logged in" or "3 models"
    advice: str = ""  # what to do before it can be used
    version: str = ""
    name: str = ""  # of a program: the name by which it is allowed
    models: tuple[str, ...] = ()
    backend: str = ""  # this and `options` belong to an agent that uses it
    options: dict[str, Any] = field(default_factory=dict)
    model_prefix: str = ""  # written before a name of `models` in the option `model`

    @property
    def is_usable(self) -> bool:
        return self.state in {State.READY, State.UNKNOWN}

    @property
    def suggested(self) -> str:
        """Return the suggested model; empty if an agent needs none."""
        return str(self.options.get("model", "")).removeprefix(self.model_prefix)

    @property
    def shown_title(self) -> str:
        """Return the title, and the version up to its second number."""
        return " ".join(filter(None, [self.title, ".".join(self.version.split(".")[:2])]))

    def options_for(self, model: str = "") -> dict[str, Any]:
        """Return the options of an agent that uses this with the model, by default the suggested one."""
        return {**self.options, "model": f"{self.model_prefix}{model}"} if model else dict(self.options)
