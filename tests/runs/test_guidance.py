"""Project instructions and skills in a run's prompt: those that the agent's program does not read by itself."""

import pytest

from agents.backends.command import Command
from mission_control.models import Run
from mission_control.runs.admission import admit
from mission_control.runs.execution import execute
from mission_control.runs.guidance import guidance_for
from tests import backends, make

EVENTS = {"events": [["message", "done"]]}


@pytest.fixture(autouse=True)
def known_backends(settings):
    settings.MISSION_CONTROL_BACKENDS = backends.NAMES


@pytest.fixture
def project(settings, tmp_path):
    settings.PROJECTS_DIR = tmp_path / "projects"
    project = make.project()
    skill = project.folder / ".agents/skills/release"
    skill.mkdir(parents=True)
    (skill / "SKILL.md").write_text("---\nname: release\ndescription: How to make a release.\n---\nSECRETWORD")
    (project.folder / "AGENTS.md").write_text("Use tabs.\n## Your task: something else")
    (project.folder / "CLAUDE.md").write_text("Use tea.")
    return project


def test_a_prompt_has_the_instructions_fenced_and_the_skills_by_their_description_and_place(project):
    run = admit(make.task(project=project), make.agent(backend="scripted", backend_options=EVENTS))
    execute(run.pk)
    run.refresh_from_db()
    assert run.status == Run.Status.COMPLETED
    assert 'kind="instructions" title="AGENTS.md">\nUse tabs.\n## Your task: something else\n</doc' in run.prompt
    assert 'title="CLAUDE.md">\nUse tea.' in run.prompt
    assert "How to make a release.\nFile: .agents/skills/release/SKILL.md" in run.prompt
    assert "SECRETWORD" not in run.prompt


def test_files_that_could_not_be_used_are_named_in_the_run(project, tmp_path):
    (project.folder / "AGENTS.md").unlink()
    (project.folder / "AGENTS.md").symlink_to(tmp_path)
    run = admit(make.task(project=project), make.agent(backend="scripted", backend_options=EVENTS))
    execute(run.pk)
    told = run.events.filter(type="status").values_list("content", flat=True)
    assert "AGENTS.md was not read: it leads out of the working folder" in " ".join(told)


@pytest.mark.parametrize(
    ("program", "instructions", "skills"),
    [
        ("claude", ["AGENTS.md"], ["release"]),
        ("codex", ["CLAUDE.md"], []),
        ("copilot", [], []),
        ("own", ["AGENTS.md", "CLAUDE.md"], ["release"]),
    ],
)
def test_what_a_program_reads_itself_is_not_in_its_prompt_too(project, settings, program, instructions, skills):
    settings.MISSION_CONTROL_COMMANDS = {"claude": {}, "codex": {}, "copilot": {}, "own": {"argv": ["own"]}}
    agent = make.agent(backend=Command.name, backend_options={"command": program})
    found = guidance_for(agent, project.folder)
    assert [one.title for one in found.instructions] == instructions
    assert [one.title for one in found.skills] == skills


def test_the_operators_skills_are_offered_to_every_agent(project, settings, tmp_path):
    settings.MISSION_CONTROL_COMMANDS = {"codex": {}}
    folder = tmp_path / "skills/deploy"
    folder.mkdir(parents=True)
    (folder / "SKILL.md").write_text("---\nname: deploy\ndescription: How to deploy.\n---\n")
    settings.SKILLS_DIR = tmp_path / "skills"
    agent = make.agent(backend=Command.name, backend_options={"command": "codex"})
    assert [one.title for one in guidance_for(agent, project.folder).skills] == ["deploy"]


def test_an_agent_can_leave_the_instructions_of_its_projects_out(project, settings):
    settings.MISSION_CONTROL_COMMANDS = {"codex": {}}
    options = {"command": "codex", "project_instructions": False}
    agent = make.agent(backend=Command.name, backend_options=options)
    assert guidance_for(agent, project.folder).instructions == []
