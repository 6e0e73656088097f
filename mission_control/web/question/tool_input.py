"""The input of a tool call that needs approval, in a readable form: a command, the diff of a file, a table."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.safestring import SafeString

from mission_control.runs.questions import was_cut
from mission_control.web.shared.differences import difference
from mission_control.web.shared.highlight import highlighted
from mission_control.web.shared.plain_text import exact

SHOWN_CHARS = 20_000  # of one value; what is cut is announced
HIGHLIGHT_SECONDS = 0.05
COMMANDS = ("command", "cmd", "script")
PATHS = ("file_path", "path", "notebook_path", "filename")
OLD = ("old_string", "old_text", "oldText", "old_str")
NEW = ("new_string", "new_text", "newText", "new_str")
CONTENTS = ("content", "contents", "file_text", "new_source")
DIFFS = ("diff", "patch", "unified_diff")


@dataclass(slots=True)
class ToolInput:
    """What a tool is to do. Every value of the input is in exactly one of the fields; none is hidden."""

    command: SafeString | None = None
    path: str = ""
    lines: list[tuple[str, str]] = field(default_factory=list)  # of a diff, each as (kind, text)
    rows: list[tuple[str, str]] = field(default_factory=list)  # other values by name
    is_cut: bool = False

    @property
    def has_lines(self) -> bool:
        return bool(self.lines)


def readable(given: Any) -> ToolInput:
    """Return a tool's input for people. Hidden characters are made visible: what is approved is what is shown."""
    shown = ToolInput()
    rest = dict(given) if isinstance(given, Mapping) else {"input": given}
    _take_command(shown, rest)
    _take_change(shown, rest)
    if shown.lines:
        shown.path = _taken(rest, PATHS)
    shown.rows = [(exact(str(name)), _text(shown, value)) for name, value in rest.items()]
    return shown


def _take_command(shown: ToolInput, rest: dict[str, Any]) -> None:
    for name in COMMANDS:
        value = rest.get(name)
        if isinstance(value, list) and value and all(isinstance(word, str) for word in value):
            value = json.dumps(value, ensure_ascii=False)  # separate words must not look like one line of a shell
        if isinstance(value, str) and value.strip():
            del rest[name]
            code = _cut(shown, exact(value))
            ends_at = time.thread_time() + HIGHLIGHT_SECONDS
            shown.command = SafeString(highlighted(code, "bash", ends_at=ends_at))
            return


def _take_change(shown: ToolInput, rest: dict[str, Any]) -> None:
    """Take the texts that say how a file is changed: old and new text, a list of such edits, a diff, a content."""
    edits = rest.get("edits")
    if isinstance(edits, list) and edits and all(_is_edit(edit) for edit in edits):
        del rest["edits"]
        for number, edit in enumerate(edits):
            shown.lines += [("@", "⋯")] if number else []
            rest |= {f"edits[{number}].{name}": value for name, value in _add_edit(shown, edit).items()}
        return
    if _is_edit(rest):
        left = _add_edit(shown, rest)
        rest.clear()
        rest |= left
    elif text := _taken(rest, DIFFS):
        shown.lines = [_line_of_diff(line) for line in _cut(shown, exact(text)).splitlines()]
    elif any(isinstance(rest.get(name), str) for name in PATHS) and (text := _taken(rest, CONTENTS)):
        shown.lines = [("+", line) for line in _cut(shown, exact(text)).splitlines()]


def _is_edit(edit: Any) -> bool:
    if not isinstance(edit, Mapping):
        return False
    old, new = (next((edit[name] for name in names if name in edit), None) for names in (OLD, NEW))
    return isinstance(old, str) and isinstance(new, str)


def _add_edit(shown: ToolInput, edit: Mapping[str, Any]) -> dict[str, Any]:
    """Add the edit's diff; return its other values. Texts without a difference are among them, as they are."""
    left = dict(edit)
    old, new = _taken(left, OLD, also_empty=True), _taken(left, NEW, also_empty=True)
    found = difference(exact(old), exact(new))
    shown.is_cut |= found.is_cut or was_cut(old) or was_cut(new)
    if not found.lines:  # both may have been cut to the same beginning
        return dict(edit)
    shown.lines += found.lines
    return left


def _line_of_diff(line: str) -> tuple[str, str]:
    if line.startswith(("+++", "---", "@@", "diff ", "index ")):
        return "@", line
    return (line[0], line[1:]) if line[:1] in ("+", "-", " ") else (" ", line)


def _taken(rest: dict[str, Any], names: tuple[str, ...], *, also_empty: bool = False) -> str:
    """Remove the first of these texts from the input and return it; "" if there is none. An empty one stays."""
    for name in names:
        text = rest.get(name)
        if isinstance(text, str) and (text or also_empty):
            del rest[name]
            return text
    return ""


def _text(shown: ToolInput, value: Any) -> str:
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, indent=2)
    return _cut(shown, exact(text))


def _cut(shown: ToolInput, text: str) -> str:
    shown.is_cut |= len(text) > SHOWN_CHARS or was_cut(text)
    return text[:SHOWN_CHARS]
