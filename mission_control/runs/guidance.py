"""Project instructions and skills that an agent's program does not read by itself, as material for its prompt."""

from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from agents.backends import registry
from agents.backends.base import INSTRUCTIONS
from agents.instructions import FILES, find_instructions
from agents.models import Agent
from agents.skills import find_skills
from mission_control.runs.prompt_sections import Source


@dataclass
class Guidance:
    """Files for the prompt, and sentences for users about files that could not be used."""

    instructions: list[Source] = field(default_factory=list)
    skills: list[Source] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def guidance_for(agent: Agent, workdir: Path) -> Guidance:
    """Read the working folder's instructions and skills, and the operator's skills. Raises nothing."""
    found = Guidance()
    own = registry.reads_itself(agent.backend, agent.backend_options)
    if agent.backend_options.get(INSTRUCTIONS, True):
        read = find_instructions(workdir, names=set(FILES) - own)
        found.instructions = [Source("instructions", one.name, one.text) for one in read.files]
        found.notices += read.notices
    listed = find_skills(workdir, settings.SKILLS_DIR, of_project="skills" not in own)
    found.skills = [Source("skill", one.name, f"{one.description}\nFile: {one.path}") for one in listed.skills]
    found.notices += listed.notices
    return found
