"""Skills: folders with a SKILL.md, whose front matter has a name and a description.

They are in `.agents/skills` of a working folder, where agents write, and in a folder of the operator's. Nothing
in them is trusted: links out of the folder, huge and binary files and endless lists are left out, and it says so.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

from agents import folders

PROJECT_FOLDER = ".agents/skills"
FILE = "SKILL.md"
MAX_SKILLS = 50  # of each folder
MAX_ENTRIES = 1_000  # looked at in each folder
HEAD_BYTES = 16_384  # of a SKILL.md, for its front matter
FILE_BYTES = 200_000  # of a skill's file, for a model that reads it
NAME_CHARS, DESCRIPTION_CHARS = 64, 1_024  # as the format allows
NOTICES = 5
_FRONT_MATTER = re.compile(r"\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_FIELD = re.compile(r"(name|description):[ \t]*(.*)\Z")

Origin = Literal["project", "operator"]


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill: `folder` is the name of its folder in `root`, and `path` names its SKILL.md to an agent."""

    name: str
    description: str
    origin: Origin
    root: Path
    folder: str

    @property
    def path(self) -> str:
        if self.origin == "project":
            return f"{PROJECT_FOLDER}/{self.folder}/{FILE}"
        return str(self.root / self.folder / FILE)

    def read(self, path: str) -> str:
        """Return the text of one of its files. Raises OutsideFolder, NotText, OSError."""
        text, is_cut = folders.read_text_inside(self.root / self.folder, path, most_bytes=FILE_BYTES)
        return f"{text}\n… cut off after {FILE_BYTES:,} bytes" if is_cut else text


@dataclass(slots=True)
class FoundSkills:
    """The skills that can be used, and sentences about those that cannot."""

    skills: list[Skill] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def find_skills(workdir: Path | None, operators: Path | None, *, of_project: bool = True) -> FoundSkills:
    """Return the skills of the working folder and of the operator's folder, each sorted by their folder's name.

    A skill of the project precedes one of the operator's with the same name, which is left out.
    """
    found = FoundSkills()
    if workdir is not None and of_project:
        root = folders.root_of(workdir)
        _collect(found, root, PROJECT_FOLDER, "project")
    if operators is not None:
        _collect(found, operators.resolve(), ".", "operator")
    found.notices[NOTICES:] = [f"and {len(found.notices) - NOTICES} more"] if len(found.notices) > NOTICES else []
    return found


def _collect(found: FoundSkills, root: Path, path: str, origin: Origin) -> None:
    """Add the skills below `root`/`path`."""
    try:
        folder = folders.resolve_inside(root, path)
        descriptor = folders.open_inside(root, folder)
    except folders.OutsideFolder:
        found.notices.append(f"The skills in {path} were not read: it leads out of the working folder")
        return
    except OSError:
        return  # there are none
    try:
        with os.scandir(descriptor) as entries:
            shown = (one for one in islice(entries, MAX_ENTRIES) if one.name.isprintable())
            names = [entry.name for entry in shown if entry.is_dir(follow_symlinks=False)]
            is_more = next(entries, None) is not None
    except OSError:
        return  # not a folder
    finally:
        os.close(descriptor)
    known = {skill.name for skill in found.skills}
    made = list(islice(_read_all(found, folder, sorted(names), origin, known), MAX_SKILLS + 1))
    found.skills += made[:MAX_SKILLS]
    if is_more or len(made) > MAX_SKILLS:
        found.notices.append(f"Only the first {MAX_SKILLS} skills of the {origin} are used")


def _read_all(
    found: FoundSkills, folder: Path, names: list[str], origin: Origin, known: set[str]
) -> Iterator[Skill]:
    for name in names:
        try:
            text, _ = folders.read_text_inside(folder, f"{name}/{FILE}", most_bytes=HEAD_BYTES)
        except FileNotFoundError:
            continue  # not a skill
        except folders.OutsideFolder:
            found.notices.append(f"The skill {_shown(name)} was left out: it leads out of its folder")
        except (folders.NotText, OSError):
            found.notices.append(f"The skill {_shown(name)} was left out: its {FILE} is not a text file")
        else:
            title, description = _front_matter(text)
            title = title or _shown(name)
            if not description:
                found.notices.append(f"The skill {_shown(name)} was left out: its {FILE} has no description")
            elif title not in known:
                known.add(title)
                yield Skill(title, description, origin, folder, name)


def _shown(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name)[:NAME_CHARS]


def _front_matter(text: str) -> tuple[str, str]:
    """Return name and description of the front matter: plain, quoted, or on the indented lines that follow."""
    match = _FRONT_MATTER.match(text)
    values: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in match[1].splitlines() if match else ():
        if named := _FIELD.match(line):
            current = values.setdefault(named[1], [])
            current.append("" if named[2].strip() in {">", "|", ">-", "|-", ">+", "|+"} else named[2])
        elif current is not None and line[:1] in {" ", "\t"}:
            current.append(line)
        else:
            current = None
    lines = {key: " ".join(" ".join(values.get(key, ())).split()) for key in ("name", "description")}
    return _shown(_unquoted(lines["name"])), _unquoted(lines["description"])[:DESCRIPTION_CHARS]


def _unquoted(text: str) -> str:
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in {'"', "'"}
    return text[1:-1] if is_quoted else text
