"""The working folder of a project as one zip file."""

import io
import os
import zipfile
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from mission_control.queries import archives
from tests import make
from tests.web.conftest import SEES, client_of
from tests.web.pages import html

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def project():
    made = make.project(title="A plan / with ümlaut")
    (made.folder / "notes").mkdir(parents=True)
    (made.folder / "notes" / "a b.md").write_text("# Hello\n")
    (made.folder / "data.bin").write_bytes(os.urandom(3_000_000))
    return made


def unpacked(made) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(b"".join(archives.pieces(made)))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


async def test_all_files_come_as_one_archive_piece_by_piece(project):
    client = AsyncClient()
    await client.aforce_login(await sync_to_async(make.user)())
    answer: Any = await client.get(f"/projects/{project.pk}/archive", headers={"accept-encoding": "gzip"})
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/zip"
    assert "plan-with" in answer["Content-Disposition"]
    assert answer["Content-Encoding"] == "identity"
    pieces = [piece async for piece in answer.streaming_content]
    assert len(pieces) > 5
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert sorted(archive.namelist()) == ["data.bin", "notes/a b.md"]
        assert archive.read("notes/a b.md") == b"# Hello\n"
        assert archive.read("data.bin") == (project.folder / "data.bin").read_bytes()


def test_no_link_pipe_or_odd_name_leads_out_of_the_folder(project, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (project.folder / "file").symlink_to(tmp_path / "secret")
    (project.folder / "folder").symlink_to(tmp_path)
    (project.folder / "inner").symlink_to("notes")
    os.mkfifo(project.folder / "pipe")
    (project.folder / "..\\..\\evil.bat").write_text("x")
    found = unpacked(project)
    assert sorted(found) == [".._.._evil.bat", "data.bin", "notes/a b.md"]
    assert b"secret" not in found.values()


def test_a_folder_that_is_itself_a_link_holds_nothing(tmp_path):
    made = make.project()
    (tmp_path / "secret").write_text("secret")
    made.folder.parent.mkdir(parents=True, exist_ok=True)
    made.folder.symlink_to(tmp_path)
    assert unpacked(made) == {}


def test_a_very_deep_folder_ends_somewhere(project):
    made = project.folder
    for _ in range(150):
        made /= "d"
        made.mkdir()
        (made / "x").write_text("x")
    assert 90 < len(unpacked(project)) < 120


def test_what_is_too_much_is_said_before_it_is_sent(browser, project, monkeypatch):
    monkeypatch.setattr(archives, "MAX_BYTES", 2**20)
    answer = browser.get(f"/projects/{project.pk}/archive")
    assert (answer.status_code, answer["Location"]) == (302, f"/projects/{project.pk}/files")
    assert "larger than 1 MB" in html(browser, f"/projects/{project.pk}/files")
    monkeypatch.setattr(archives, "MAX_BYTES", 2**30)
    monkeypatch.setattr(archives, "MAX_FILES", 1)
    browser.get(f"/projects/{project.pk}/archive")
    assert "more than 1 files" in html(browser, f"/projects/{project.pk}/files")


def test_a_folder_that_grows_while_it_is_sent_breaks_off(project, monkeypatch):
    archives.check(project)
    monkeypatch.setattr(archives, "MAX_BYTES", 2**20)
    with pytest.raises(archives.FolderGrew):
        list(archives.pieces(project))


def test_who_may_not_see_the_project_gets_none_and_an_empty_folder_has_none(browser, project):
    path = f"/projects/{project.pk}/archive"
    assert client_of(make.user(may=SEES)).get(path).status_code == 403
    assert path in html(browser, f"/projects/{project.pk}")
    empty = make.project()
    assert browser.get(f"/projects/{empty.pk}/archive").status_code == 404
    assert "/archive" not in html(browser, f"/projects/{empty.pk}")
