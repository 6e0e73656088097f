"""An export can be imported elsewhere, and exists as a whole or not at all."""

import io
import json
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from agents.models import Agent
from mission_control.actions import agents
from mission_control.actions import tasks as verbs
from mission_control.interchange import writer
from mission_control.interchange.reader import FILES
from mission_control.models import Activity, Deliverable, Message, Notification, Project, Task
from tests import make
from tests.interchange.conftest import Folder

OF_RUNS = {"last_run", "active_run_id", "run_id"}  # runs are not exported


def export(path) -> dict[str, list]:
    out = io.StringIO()
    call_command("export_pocketpaw", str(path), stdout=out)
    assert {line.split(":")[0] for line in out.getvalue().splitlines()} == set(FILES)
    return {file: json.loads((path / file).read_text()) for file in FILES}


def without(objects: dict[str, list]) -> dict[str, list]:
    return {
        file: [{name: value for name, value in given.items() if name not in OF_RUNS} for given in rows]
        for file, rows in objects.items()
    }


def fill() -> None:
    ada, user = make.agent(name="Ada", specialties=["writing"]), make.user(username="grace")
    agents.change(ada, fallback_agent=make.agent(name="Later in the file"))
    book = make.project(title="Bücher", tags=["a"], team_agents=[ada], metadata={"deep": {"er": [1, 2.5, None]}})
    first = make.task(project=book, assignees=[ada, make.agent()], tags=["x"], estimated_minutes=5)
    second = make.task(project=book, blocked_by=[first], parent_task=first, due_date=first.created_at)
    verbs.change(first, status="done")
    prd = make.document(title="Deliverable: " + "x" * 200, project=book, author_id=str(ada.pk), tags=["t"])
    Project.objects.filter(pk=book.pk).update(prd_document=prd)
    said = Message.objects.create(
        task=second, from_agent=ada, content="Hello @all", mentions=["all"], attachment_ids=[str(prd.pk)]
    )
    Message.objects.create(task=second, author=user, content="Hi", metadata={"k": "v"})
    Notification.objects.create(agent=ada, type="mention", content="…", source_message=said, source_task=second)
    Notification.objects.create(
        type="human_task", content="Do it", delivered_at=said.created_at, read_at=said.created_at
    )


def forget_everything() -> None:
    for model in (Notification, Message, Activity, Deliverable, Task, Project, Agent):
        model.objects.all().delete()


def test_an_export_read_elsewhere_yields_the_same_objects(tmp_path):
    fill()
    before = export(tmp_path / "out")
    assert all(before.values())
    forget_everything()
    folder = Folder.__new__(Folder)
    folder.path = tmp_path / "out"
    taken = folder.take()
    assert (taken.status, taken.error) == (0, "")
    assert without(export(tmp_path / "again")) == without(before)


def test_an_export_has_the_contracts_fields_and_no_path_of_this_machine(tmp_path, settings):
    fill()
    run = make.run()
    written = export(tmp_path / "out")
    assert written["tasks.json"][0].keys() >= {"id", "title", "assignee_ids", "blocked_by", "blocks", "created_at"}
    assert written["projects.json"][0].keys() & {"folder_path", "file_count"} == set()
    assert str(settings.DATA_DIR) not in json.dumps(written)
    assert str(run.task_id) in [given["id"] for given in written["tasks.json"]]


def test_files_that_were_there_are_replaced_and_others_stay(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "tasks.json").write_text("old")
    (folder / "notes.txt").write_text("mine")
    make.task()
    assert len(export(folder)["tasks.json"]) == 1
    assert (folder / "notes.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    assert (folder / "tasks.json").stat().st_mode & 0o077 == 0


def test_an_export_that_breaks_off_leaves_what_was_there(tmp_path, monkeypatch):
    folder = tmp_path / "out"
    make.task()
    before = export(folder)
    make.task()

    def full(path, rows, reader):
        if path.name == "documents.json":
            raise OSError(28, "No space left on device")
        return written(path, rows, reader)

    written = writer._write
    monkeypatch.setattr(writer, "_write", full)
    with pytest.raises(CommandError, match="cannot be written: No space left on device"):
        export(folder)
    assert {file: json.loads((folder / file).read_text()) for file in FILES} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_where_it_cannot_be_written_one_line_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(CommandError, match="cannot be written") as refused:
            export(path)
        assert "\n" not in str(refused.value)


@pytest.mark.django_db(transaction=True)
def test_an_export_is_of_one_moment_and_keeps_nobody_from_writing(tmp_path, monkeypatch):
    make.limit(5)
    make.task(title="Before")
    written = writer._write

    def interrupted(path, rows, reader):
        if path.name == "projects.json":  # the first read, that of the agents, took the snapshot
            rival = threading.Thread(target=_make_task)
            rival.start()
            rival.join(10)
            assert not rival.is_alive()
        return written(path, rows, reader)

    monkeypatch.setattr(writer, "_write", interrupted)
    assert [given["title"] for given in export(tmp_path / "out")["tasks.json"]] == ["Before"]
    assert Task.objects.count() == 2


def _make_task() -> None:
    make.task(title="Meanwhile")
    connections.close_all()
