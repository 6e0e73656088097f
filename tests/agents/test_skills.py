"""Skills and project instructions: what is found in a working folder, and what hostile files cannot do."""

from pathlib import Path

import pytest

from agents import instructions, skills
from agents.backends.pydantic_ai.skill_tool import skill_tools
from agents.instructions import find_instructions
from agents.skills import find_skills


@pytest.fixture
def workdir(tmp_path) -> Path:
    folder = tmp_path / "projects/p"
    folder.mkdir(parents=True)
    (tmp_path / "secret").write_text("---\nname: secret\ndescription: of the server\n---\n")
    return folder


def skill(root: Path, name: str, text: str | bytes = "") -> Path:
    folder = root / ".agents/skills" / name
    folder.mkdir(parents=True)
    given = text or f"---\nname: {name}\ndescription: Does {name}.\n---\nHow to do {name}."
    (folder / "SKILL.md").write_bytes(given if isinstance(given, bytes) else given.encode())
    return folder


# ---------------------------------------------------------------- skills
def test_skills_of_the_project_and_of_the_operator_are_found_and_the_projects_own_come_first(workdir, tmp_path):
    skill(workdir, "review")
    skill(tmp_path, "review", "---\nname: review\ndescription: The operator's.\n---\n")
    skill(tmp_path, "deploy")
    found = find_skills(workdir, tmp_path / ".agents/skills")
    assert [(one.name, one.origin, one.description) for one in found.skills] == [
        ("review", "project", "Does review."),
        ("deploy", "operator", "Does deploy."),
    ]
    assert found.skills[0].path == ".agents/skills/review/SKILL.md"
    assert Path(found.skills[1].path).is_absolute()
    assert found.notices == []


@pytest.mark.parametrize(
    ("head", "description"),
    [
        ('name: "a"\ndescription: "Quoted: with a colon"', "Quoted: with a colon"),
        ("name: a\ndescription: >-\n  Folded over\n  two lines", "Folded over two lines"),
        ("name: a\ndescription: |\n  Kept\nlicense: MIT", "Kept"),
        ("name: a\nmetadata:\n  description: inner\ndescription: Outer", "Outer"),
    ],
)
def test_front_matter_is_read_in_its_usual_spellings(workdir, head, description):
    skill(workdir, "a", f"---\n{head}\n---\nBody")
    assert [one.description for one in find_skills(workdir, None).skills] == [description]


def test_a_link_out_of_the_folder_a_binary_and_an_endless_file_are_left_out_and_named(workdir, tmp_path):
    skill(workdir, "good")
    linked = workdir / ".agents/skills/linked"
    linked.mkdir()
    (linked / "SKILL.md").symlink_to(tmp_path / "secret")
    (workdir / ".agents/skills/link-to-folder").symlink_to(tmp_path)
    skill(workdir, "binary", b"---\nname: b\0\n---\n")
    skill(workdir, "no-head", "Just text.")
    skill(workdir, "huge", "---\n" + "x: y\n" * 100_000 + "description: too far\n---\n")
    found = find_skills(workdir, None)
    assert [one.name for one in found.skills] == ["good"]
    told = " ".join(found.notices)
    assert all(name in told for name in ("linked", "binary", "no-head", "huge"))
    assert "of the server" not in told


def test_a_folder_of_skills_that_is_a_link_out_of_the_working_folder_is_not_read(workdir, tmp_path):
    skill(tmp_path, "stolen")
    (workdir / ".agents").symlink_to(tmp_path / ".agents")
    found = find_skills(workdir, None)
    assert found.skills == []
    assert "leads out of the working folder" in found.notices[0]


def test_of_thousands_of_skills_the_first_are_used(workdir, monkeypatch):
    monkeypatch.setattr(skills, "MAX_SKILLS", 3)
    for number in range(6):
        skill(workdir, f"skill-{number}")
    found = find_skills(workdir, None)
    assert [one.folder for one in found.skills] == ["skill-0", "skill-1", "skill-2"]
    assert found.notices == ["Only the first 3 skills of the project are used"]


def test_a_model_reads_a_skill_by_its_name_and_nothing_outside_of_its_folder(workdir, tmp_path):
    folder = skill(workdir, "review")
    (folder / "checklist.md").write_text("1. Read it.")
    (folder / "way-out").symlink_to(tmp_path / "secret")
    (read,) = skill_tools(workdir)
    assert "How to do review." in read("review")
    assert read("review", "checklist.md") == "1. Read it."
    assert read("review", "way-out").startswith("Refused")
    assert read("review", "../../../../../secret").startswith("Refused")
    assert "Is a directory" in read("review", ".")
    assert read("dance").startswith("There is no skill")


def test_without_skills_a_model_gets_no_tool_for_them(workdir):
    assert skill_tools(workdir) == []


# ---------------------------------------------------------------- instructions
def test_both_files_are_read_and_a_copy_only_once(workdir):
    (workdir / "AGENTS.md").write_text("Use tabs.")
    (workdir / "CLAUDE.md").symlink_to("AGENTS.md")
    assert [(one.name, one.text) for one in find_instructions(workdir).files] == [("AGENTS.md", "Use tabs.")]
    (workdir / "CLAUDE.md").unlink()
    (workdir / "CLAUDE.md").write_text("Use spaces.")
    assert [one.name for one in find_instructions(workdir).files] == ["AGENTS.md", "CLAUDE.md"]


def test_instructions_that_are_a_link_out_a_folder_or_too_long_are_named(workdir, tmp_path, monkeypatch):
    monkeypatch.setattr(instructions, "MAX_BYTES", 10)
    (workdir / "AGENTS.md").symlink_to(tmp_path / "secret")
    (workdir / "CLAUDE.md").mkdir()
    found = find_instructions(workdir)
    assert found.files == []
    assert [notice.split(":")[0] for notice in found.notices] == [
        "AGENTS.md was not read",
        "CLAUDE.md was not read",
    ]
    (workdir / "AGENTS.md").unlink()
    (workdir / "AGENTS.md").write_text("0123456789 and more")
    assert find_instructions(workdir).files[0].text == "0123456789"
