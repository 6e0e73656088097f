"""A tool with which a model reads the skills that its prompt names: the working folder's and the operator's."""

from collections.abc import Callable
from pathlib import Path

from agents import folders
from agents.backends.programs.allowed import allowed
from agents.skills import FILE, find_skills


def skill_tools(workdir: Path) -> list[Callable[..., str]]:
    """Return the tool, if there are any skills."""
    found = {skill.name: skill for skill in find_skills(workdir, allowed().skills).skills}

    def read_skill(name: str, path: str = FILE) -> str:
        """Read a skill's instructions, or another file of its folder, by a path relative to that folder."""
        if name not in found:
            return f"There is no skill with this name. Available: {', '.join(found)}"
        try:
            return found[name].read(path)
        except folders.OutsideFolder:
            return "Refused: the path leads out of the skill's folder"
        except folders.NotText:
            return "It is not a text file"
        except OSError as error:
            return f"It did not work: {error.strerror or type(error).__name__}"

    return [read_skill] if found else []
