"""Files that people attached are named in the prompt, and images and PDFs reach the backend as paths."""

import pytest

from agents import file_kinds
from mission_control.actions import comments
from mission_control.models import AttachedFile, Run, Task
from mission_control.runs.admission import admit
from mission_control.runs.attached_files import files_for, files_of_message, folder_of
from mission_control.runs.execution import execute
from tests import backends, make
from tests.runs import talking
from tests.runs.working import Working

PNG = b"\x89PNG\r\n\x1a\n" + bytes(30)


@pytest.fixture(autouse=True)
def known_backends(settings):
    settings.MISSION_CONTROL_BACKENDS = backends.NAMES


def attach(task, path: str, content: bytes, project=None) -> AttachedFile:
    file = folder_of(task.project if task else project, getattr(task, "pk", None)) / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    owner = task.project if task else project
    return AttachedFile.objects.create(
        task=task, project=owner, path=path, size=len(content), content_type=file_kinds.content_type_of(content)
    )


def run_of(task) -> Run:
    writer = make.agent(backend="scripted", backend_options={"events": [["message", "done"]]})
    run = admit(task, writer)
    execute(run.pk)
    return Run.objects.get(pk=run.pk)


@pytest.mark.parametrize("has_project", [True, False])
def test_attached_files_are_named_in_the_prompt_and_small_text_is_in_it(has_project):
    task = make.task(project=make.project() if has_project else None)
    picture = attach(task, "inputs/plan.png", PNG)
    attach(task, "inputs/prices.csv", b"a,b\n1,2")
    attach(task, "inputs/gone.pdf", b"%PDF-1.7")
    (folder_of(task.project, task.pk) / "inputs/gone.pdf").unlink()
    comments.post(task, "See the plan.", by=make.user(), attachments=[picture])

    prompt = run_of(task).prompt

    assert "- inputs/plan.png (PNG image, 38 B)" in prompt
    assert "- inputs/prices.csv (text, 7 B, its content is below)" in prompt
    assert 'kind="file" title="inputs/prices.csv">\na,b\n1,2\n' in prompt
    assert "See the plan.\n[Attached: inputs/plan.png]" in prompt
    assert "gone.pdf" not in prompt


def test_files_of_the_project_are_named_and_those_of_other_tasks_are_not():
    project = make.project()
    task, other = make.task(project=project), make.task(project=project)
    attach(None, "inputs/style.md", b"Short.", project=project)
    attach(other, "inputs/other.md", b"Other.")

    prompt = run_of(task).prompt

    assert "inputs/style.md" in prompt and "inputs/other.md" not in prompt


def test_a_backend_gets_the_images_and_pdfs_that_came_since_the_last_completed_run():
    task = make.task(project=make.project())
    attach(task, "inputs/old.png", PNG)
    run_of(task)
    new = attach(task, "inputs/new.png", PNG)
    attach(task, "inputs/a.pdf", b"%PDF-1.7")
    attach(task, "inputs/notes.txt", b"text")
    message = comments.post(task, "New", by=make.user(), attachments=[new])

    run = make.run(Task.objects.get(pk=task.pk))

    folder = task.project.folder
    assert files_for(run) == [folder / "inputs/new.png", folder / "inputs/a.pdf"]
    assert files_of_message(run, message) == [folder / "inputs/new.png"]


def test_a_message_names_no_file_that_a_task_left_behind_when_it_moved_or_that_was_deleted():
    task = make.task(project=make.project())
    moved, deleted = attach(task, "inputs/moved.png", PNG), attach(task, "inputs/deleted.png", PNG)
    (task.project.folder / "inputs/deleted.png").unlink()
    comments.post(task, "See both.", by=make.user(), attachments=[moved, deleted])

    assert "See both.\n[Attached: inputs/moved.png]\n" in run_of(task).prompt

    Task.objects.filter(pk=task.pk).update(project=make.project())
    prompt = run_of(Task.objects.get(pk=task.pk)).prompt
    assert "See both." in prompt and "moved.png" not in prompt


def test_a_file_that_comes_while_the_agent_works_reaches_it_at_its_next_turn(settings, monkeypatch):
    settings.MISSION_CONTROL_BACKENDS = talking.NAMES
    monkeypatch.setattr(talking.Forgetful, "calls", [])
    task = make.task(project=make.project())
    work = Working(make.agent(backend="forgetful", backend_options={"questions": ["Who?"]}), task)
    question = work.question()
    picture = attach(task, "inputs/plan.png", PNG)
    work.write("Look at the plan.")
    work.answer(question, text="Ada")
    work.completed()

    first, second = talking.Forgetful.calls
    assert "inputs/plan.png" not in first["prompt"] and first["files"] == []
    assert "- inputs/plan.png (PNG image, 38 B)" in second["prompt"]
    assert second["files"] == [task.project.folder / picture.path]


def test_a_link_that_an_agent_put_in_the_place_of_a_file_leads_to_nothing_outside(tmp_path):
    task = make.task(project=make.project())
    attach(task, "inputs/a.png", PNG)
    outside = tmp_path / "secret.png"
    outside.write_bytes(PNG)
    (task.project.folder / "inputs/a.png").unlink()
    (task.project.folder / "inputs/a.png").symlink_to(outside)

    assert files_for(make.run(Task.objects.get(pk=task.pk))) == []


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVE", "application/octet-stream"),
        (b"%PDF-1.4", "application/pdf"),
        (b"<svg onload=alert(1)>", "text/plain"),
        ("é".encode() * 256 + b"x", "text/plain"),
        (b"x" + "é".encode() * 256, "text/plain"),
        (b"\xe9\xe9", "application/octet-stream"),
        (b"", "text/plain"),
    ],
)
def test_the_kind_of_a_file_is_decided_by_its_content(content, content_type):
    assert file_kinds.content_type_of(content[: file_kinds.HEAD_BYTES]) == content_type
