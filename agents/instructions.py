"""The project's instructions for agents: AGENTS.md and CLAUDE.md of a working folder, within limits.

Agents write into the folder, so the files may contain, link to and pretend anything.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from agents import folders

FILES = ("AGENTS.md", "CLAUDE.md")
MAX_BYTES = 200_000


@dataclass(frozen=True, slots=True)
class Instructions:
    """A file's name and text."""

    name: str
    text: str


@dataclass(slots=True)
class FoundInstructions:
    """The files that could be read, and sentences about those that could not."""

    files: list[Instructions] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def find_instructions(workdir: Path, *, names: Collection[str] = FILES) -> FoundInstructions:
    """Return the instructions in the folder; a file with the same text as an earlier one is left out."""
    found = FoundInstructions()
    root = folders.root_of(workdir)
    for name in FILES:
        if name not in names:
            continue
        try:
            text, is_cut = folders.read_text_inside(root, name, most_bytes=MAX_BYTES)
        except FileNotFoundError:
            continue
        except folders.OutsideFolder:
            found.notices.append(f"{name} was not read: it leads out of the working folder")
        except (folders.NotText, OSError):
            found.notices.append(f"{name} was not read: it is not a text file")
        else:
            if is_cut:
                found.notices.append(f"{name} was read up to {MAX_BYTES:,} bytes")
            if text.strip() and text not in [one.text for one in found.files]:
                found.files.append(Instructions(name, text))
    return found
