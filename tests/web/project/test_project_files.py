"""The files of a project on its pages: listed, shown, downloaded, and never from outside its folder."""

import os

import pytest

from mission_control.queries import project_files
from mission_control.runs.lifecycle import claim
from tests import make
from tests.api.answers import sent
from tests.web.project.pages import page_of, text_of

pytestmark = pytest.mark.usefixtures("database")


def test_an_empty_folder_says_on_which_hosts_the_agents_worked(browser, settings):
    settings.HOST_NAME, settings.EMBEDDED_DATABASE = "alpha", False
    project = make.project()
    task = make.task(project=project)
    claim(make.run(task).pk, worker="test")
    assert "on alpha" in text_of(page_of(browser, f"/tasks/{task.pk}"))

    settings.HOST_NAME = "beta"
    said = text_of(page_of(browser, f"/projects/{project.pk}/files"))
    assert "This server has none of the project’s files. Its agents worked on alpha" in said


def test_files_are_listed_shown_as_text_and_downloaded(browser):
    project = make.project()
    folder = project.folder / "notes"
    folder.mkdir(parents=True)
    (folder / "a b.md").write_text("# Hello \x1b[31mred\x1b[0m\n")
    (project.folder / "photo.bin").write_bytes(b"\x00\x01")
    at = f"/projects/{project.pk}"
    assert "photo.bin" in page_of(browser, at)
    assert "a b.md" in page_of(browser, f"{at}/files?path=notes")
    assert "# Hello red" in page_of(browser, f"{at}/file?path=notes/a b.md")
    assert "Binary file" in page_of(browser, f"{at}/file?path=photo.bin")
    answer = browser.get(f"{at}/download?path=notes/a b.md")
    assert sent(answer).startswith(b"# Hello")
    assert answer["Content-Disposition"] == 'attachment; filename="a b.md"'
    assert answer["Content-Type"] == "application/octet-stream"


def test_a_file_of_any_size_is_downloaded_also_in_parts(browser):
    project = make.project()
    project.folder.mkdir(parents=True)
    large = bytes(range(256)) * 4096 * 11
    (project.folder / "large.bin").write_bytes(large)
    at = f"/projects/{project.pk}"
    assert 'download?path=large.bin" download' in page_of(browser, f"{at}/file?path=large.bin")
    whole = browser.get(f"{at}/download?path=large.bin")
    assert (whole.status_code, whole["Content-Length"], whole["Accept-Ranges"]) == (200, str(len(large)), "bytes")
    assert sent(whole) == large
    for asked, first, end in (
        ("5-9", 5, 10),
        ("11534330-", 11534330, len(large)),
        ("-3", len(large) - 3, len(large)),
    ):
        part = browser.get(f"{at}/download?path=large.bin", headers={"Range": f"bytes={asked}"})
        assert part.status_code == 206
        assert part["Content-Range"] == f"bytes {first}-{end - 1}/{len(large)}"
        assert sent(part) == large[first:end]
    beyond = browser.get(f"{at}/download?path=large.bin", headers={"Range": "bytes=99999999-"})
    assert (beyond.status_code, beyond["Content-Range"]) == (416, f"bytes */{len(large)}")
    odd = browser.get(f"{at}/download?path=large.bin", headers={"Range": "bytes=5-2, 7-9"})
    assert odd.status_code == 200
    odd.close()


def test_what_cannot_be_opened_by_its_name_is_listed_without_a_link(browser):
    project = make.project()
    project.folder.mkdir(parents=True)
    (project.folder / "fine.md").write_text("x")
    os.mkfifo(project.folder / "pipe")
    (project.folder / "folder").mkdir()
    with open(os.fsencode(project.folder) + b"/caf\xe9.md", "wb") as file:
        file.write(b"x")
    os.mkdir(os.fsencode(project.folder) + b"/\xff")
    page = page_of(browser, f"/projects/{project.pk}/files")
    for name in ("fine.md", "folder"):
        assert f"?path={name}" in page
    for name in ("pipe", "caf"):
        assert name in page
        assert f"?path={name}" not in page
    assert page.count("The name is not UTF-8") == 2
    assert page.count("Not a regular file") == 1
    listed = project_files.files_in(project, "")
    assert {key for entry in listed for key in entry} == {"name", "isDir", "size"}


def test_a_link_is_openable_only_where_it_leads_to_a_file_or_folder_of_the_project(browser):
    project = make.project()
    (project.folder / "inner").mkdir(parents=True)
    (project.folder / "inner" / "real.md").write_text("# Real")
    os.mkfifo(project.folder / "pipe")
    targets = {"to-file": "inner/real.md", "to-folder": "inner", "roundabout": f"../{project.folder.name}/inner"}
    nowhere = {"broken": "missing.md", "outside": "/etc/passwd", "up": "..", "loop": "loop", "to-pipe": "pipe"}
    for name, target in (targets | nowhere).items():
        (project.folder / name).symlink_to(target)
    (project.folder / "inner" / "back").symlink_to("..")
    page = page_of(browser, f"/projects/{project.pk}/files")
    for name, target in targets.items():
        shows = "file" if target.endswith(".md") else "files"
        assert f"/{shows}?path={name}" in page
        assert browser.get(f"/projects/{project.pk}/{shows}?path={name}").status_code == 200
    for name in nowhere:
        assert f">{name}<" in page
        assert f"?path={name}" not in page
    assert page.count("Leads to nothing in this project") == 4
    assert "?path=inner%2Fback" in page_of(browser, f"/projects/{project.pk}/files?path=inner")
    listed = project_files.files_in(project, "")
    assert {entry["name"] for entry in listed if entry["isDir"]} == {"inner"}, "who walks the tree ends somewhere"
    assert {key for entry in listed for key in entry} == {"name", "isDir", "size"}


@pytest.mark.parametrize("path", ["../..", "/etc/passwd", "nothing", "a\x00b", "link"])
def test_no_path_leads_out_of_the_folder(browser, path):
    project = make.project()
    project.folder.mkdir(parents=True)
    (project.folder / "link").symlink_to("/etc/passwd")
    for page in ("files", "file", "download"):
        answer = browser.get(f"/projects/{project.pk}/{page}", {"path": path})
        assert answer.status_code in (400, 404), (page, path)
        assert b"root:" not in answer.content
