"""The programs that the operator has allowed, with their definitions.

`commands` parses the setting at start. Later the registry, which alone may read settings, provides its value: see
`read_allowed_from`.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from environs import ValidationError

from agents.backends.processes import ProcessLimits
from agents.backends.programs.formats import ACP, FORMATS
from agents.backends.programs.mcp_settings import McpCommand
from agents.backends.programs.presets import PRESETS, AcpMode, LoginCheck, Preset
from agents.backends.programs.sessions import Sessions

NAME = re.compile(r"[A-Za-z0-9_.-]{1,50}\Z")
MODEL = re.compile(r"[A-Za-z0-9][^\s\x00-\x1f\x7f-\x9f]{0,199}\Z")  # never an option
ANY_MODEL = "*"  # in `models`: an agent may choose any model of the program
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:=.*)?\Z", re.DOTALL)
_PLACE = re.compile(r"/|~/|\$[A-Za-z_][A-Za-z0-9_]*(?:/|\Z)")
# No agent gets these, whatever a list says: they give access to the server itself.
OWN_VARIABLES = re.compile(r"MISSION_CONTROL_|(?:SECRET_KEY|DATABASE_URL|REDIS_URL)\Z")
PROMPT_FILE = "{prompt_file}"
NOT_TO_BE_SET = {
    *("name", "acp", "argv_sandboxed", "login", "mcp", "reads", "silent_words", "silent_env", "sessions"),
    *("scratch", "copied", "install"),
}


@dataclass(frozen=True, slots=True)
class Definition:
    """A program that agents may choose: its whole command line comes from here."""

    name: str
    argv: tuple[str, ...]
    format: str = "text"
    prompt: str = "stdin"  # or file
    env: tuple[str, ...] = ()  # variables that are passed on, and NAME=value for those that are set
    models: tuple[str, ...] = ()  # from which an agent may choose, or ANY_MODEL
    model_option: str = ""  # the option before the model
    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    network: bool = True
    limits: ProcessLimits = field(default_factory=ProcessLimits)
    acp: AcpMode | None = None  # how it speaks the Agent Client Protocol; None if it does not
    # Only a preset has these.
    argv_sandboxed: tuple[str, ...] = ()
    login: LoginCheck | None = None
    mcp: str = ""
    reads: tuple[str, ...] = ()
    silent_words: tuple[str, ...] = ()
    silent_env: tuple[str, ...] = ()
    sessions: Sessions | None = None
    scratch: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    install: str = ""

    @classmethod
    def of(cls, name: str, given: Mapping[str, Any]) -> "Definition":
        """Parse the operator's definition. Raises ValueError with a message about the error."""
        if not NAME.match(name):
            raise ValueError(f"`{name[:50]}` is not a valid name: at most 50 letters, digits, `_`, `.` and `-`")
        preset = _preset(name, given)
        known = {"preset", *(each.name for each in fields(cls))} - NOT_TO_BE_SET
        if unknown := sorted(set(given) - known):
            raise ValueError(f"`{name}` has `{unknown[0]}`; there are: {', '.join(sorted(known))}")
        argv = _words(name, "argv", given.get("argv", preset.argv))
        is_presets_program = bool(argv) and argv[:1] == preset.argv[:1]
        definition = cls(
            name=name,
            argv=argv,
            format=_choice(name, "format", given.get("format", preset.format), FORMATS),
            prompt=_choice(name, "prompt", given.get("prompt", "stdin"), ("stdin", "file")),
            env=(*preset.env, *_words(name, "env", given.get("env", ()))),
            models=_words(name, "models", given.get("models", ())),
            model_option=_text(name, "model_option", given.get("model_option", preset.model_option)),
            readable=(*preset.readable, *_words(name, "readable", given.get("readable", ()))),
            writable=(*preset.writable, *_words(name, "writable", given.get("writable", ()))),
            network=_yes_or_no(name, "network", given.get("network", True)),
            limits=_limits(name, given.get("limits", {})),
            argv_sandboxed=() if "argv" in given else preset.argv_sandboxed,
            login=preset.login if is_presets_program else None,
            mcp=preset.mcp,
            reads=preset.reads,
            silent_words=preset.silent_words,
            silent_env=preset.silent_env,
            sessions=preset.sessions if is_presets_program and _fits(preset, argv) else None,
            scratch=preset.scratch,
            copied=preset.copied,
            install=preset.install,
        )
        definition.check()
        return replace(definition, acp=_acp_mode(definition, preset, has_own_argv="argv" in given))

    def check(self) -> None:
        """Raise ValueError for a definition that cannot work or would give access to the server."""
        if not self.argv:
            raise ValueError(f"`{self.name}` is not a preset, so it needs `argv`, a list of words")
        if self.models and not self.model_option and self.format != ACP:
            raise ValueError(f"`{self.name}` has `models`, so it needs `model_option`, such as --model")
        if (self.prompt == "file") != any(PROMPT_FILE in word for word in self.argv):
            raise ValueError(f"`{self.name}`: `prompt` is `file` where `argv` has {PROMPT_FILE}, and only there")
        for entry in self.env:
            if not _VARIABLE.match(entry):
                raise ValueError(f"`{self.name}`: `env` has `{entry[:50]}`, which is not a variable")
            if OWN_VARIABLES.match(entry.partition("=")[0]):
                raise ValueError(f"`{self.name}`: {entry.partition('=')[0]} is given to no agent")
        for path in (*self.readable, *self.writable):
            if not _PLACE.match(path):
                raise ValueError(f"`{self.name}`: `{path[:50]}` must start with / or ~/, or be a $VARIABLE")


def _acp_mode(definition: Definition, preset: Preset, *, has_own_argv: bool) -> AcpMode | None:
    """Return how the program speaks the protocol: as its format says, else as the preset's program does."""
    if definition.format == ACP:
        return replace(preset.acp or AcpMode(), argv=definition.argv, model_option=definition.model_option)
    return None if has_own_argv else preset.acp


def _preset(name: str, given: Mapping[str, Any]) -> Preset:
    if not isinstance(given, Mapping):
        raise ValueError(f"`{name}` must be an object")  # noqa: TRY004 - a setting's value, not a caller's fault
    wanted = given.get("preset", name if name in PRESETS else None)
    if wanted is None:
        return Preset()
    if wanted not in PRESETS:
        raise ValueError(f"`{name}`: unknown preset `{str(wanted)[:50]}`. Available: {', '.join(PRESETS)}")
    return PRESETS[wanted]


def _fits(preset: Preset, argv: tuple[str, ...]) -> bool:
    return preset.sessions is not None and preset.sessions.fits(argv)


def _words(name: str, key: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(_is_word(word) for word in value):
        raise ValueError(f"`{name}`: `{key}` must be a list of strings")
    return tuple(value)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and value != "" and "\0" not in value


def _text(name: str, key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"`{name}`: `{key}` must be a string")  # noqa: TRY004 - as above
    return value


def _yes_or_no(name: str, key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"`{name}`: `{key}` must be true or false")  # noqa: TRY004 - as above
    return value


def _choice(name: str, key: str, value: Any, choices: Iterable[str]) -> str:
    if value not in choices:
        raise ValueError(f"`{name}`: `{key}` must be one of {', '.join(choices)}")
    return str(value)


def _limits(name: str, given: Any) -> ProcessLimits:
    known = [each.name for each in fields(ProcessLimits)]
    if not isinstance(given, Mapping) or set(given) - set(known):
        raise ValueError(f"`{name}`: `limits` must be an object of {', '.join(known)}")
    for key, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e12:
            raise ValueError(f"`{name}`: `limits.{key}` must be a number above 0")
    return ProcessLimits(**given)


def commands(text: str, **_: Any) -> dict[str, dict[str, Any]]:
    """Parse the setting: names of presets separated by commas, or a JSON object. Raises ValidationError."""
    text = text.strip()
    try:
        if text.startswith("{"):
            found: dict[str, dict[str, Any]] = json.loads(text)
        else:
            found = {name.strip(): {} for name in text.split(",") if name.strip()}
        for name, given in found.items():
            Definition.of(name, given)
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"{error}.") from None
    return found


# ---------------------------------------------------------------- the current settings
@dataclass(frozen=True, slots=True)
class SandboxPath:
    """A path that the operator shows to all agents in the sandbox."""

    path: Path
    is_writable: bool = False


@dataclass(frozen=True, slots=True)
class Allowed:
    """The operator's settings for programs."""

    commands: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    isolation: str = "auto"
    closed: tuple[Path, ...] = ()  # hidden from all agents
    skills: Path | None = None  # the operator's folder of skills, which all agents can read
    mcp_commands: Mapping[str, McpCommand] = field(default_factory=dict)
    mcp_variables: frozenset[tuple[str, str]] = frozenset()  # a variable, and the host that may receive its value
    mcp_hosts: frozenset[str] = frozenset()  # hosts, or host:port, of MCP servers; none: any public one
    sandbox_paths: tuple[SandboxPath, ...] = ()  # shown to all agents
    projects: Path | None = None  # the folder with the working folders of projects
    caches: Path | None = None  # the folder with the caches of projects
    conversations: Path | None = None  # where those of sandboxed programs are kept; None: they are not
    model_servers: frozenset[str] = frozenset()  # hosts, or host:port, that an agent's options may name; none: any

    def definition(self, name: str) -> Definition | None:
        given = self.commands.get(name)
        return None if given is None else Definition.of(name, given)


_source: Callable[[], Allowed] = Allowed
_granted: tuple[str, ...] = ()


def grant(names: Iterable[str]) -> None:
    """Set the presets that a superuser has allowed in addition to the settings."""
    global _granted  # noqa: PLW0603 - one process, one operator
    _granted = tuple(name for name in names if name in PRESETS)


def granted() -> dict[str, dict[str, Any]]:
    """Return the definitions of the presets that a superuser has allowed."""
    return {name: {"models": [*PRESETS[name].models, ANY_MODEL]} for name in _granted}


def read_allowed_from(source: Callable[[], Allowed]) -> None:
    """Set the function that returns the settings; it is called each time, so that they are always current."""
    global _source  # noqa: PLW0603 - one process, one operator
    _source = source


def allowed() -> Allowed:
    """Return the current settings."""
    return _source()
