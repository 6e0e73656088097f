"""The files in a project's folder: the list, their content, and no access outside the folder."""

import os
import uuid

import pytest

from mission_control.queries import project_files
from mission_control.runs.lifecycle import claim
from tests import make
from tests.api.answers import assert_names, sent
from tests.api.conftest import Api


@pytest.fixture
def project():
    made = make.project()
    made.folder.mkdir(parents=True)
    return made


@pytest.fixture
def secret(project):
    """Put a file beside the projects' folders, where the access token is too."""
    outside = project.folder.parent.parent / f"secret-{uuid.uuid4()}"
    outside.write_text("token")
    yield outside
    outside.unlink()


def listed(api, project, path=""):
    return api.call("GET", f"projects/{project.pk}/files", query_params={"path": path})


def content(api, project, path, **options):
    return api.call("GET", f"projects/{project.pk}/files/content", query_params={"path": path}, **options)


def test_an_empty_list_names_the_hosts_on_which_the_agents_worked(api, settings):
    """A project's folder is on the machine whose worker ran its agents, unless the machines share it."""
    settings.HOST_NAME, settings.EMBEDDED_DATABASE = "alpha", False
    project = make.project()
    claim(make.run(make.task(project=project)).pk, worker="test")
    assert listed(api, project).json() == {"files": [], "count": 0, "next": None, "previous": None}

    settings.HOST_NAME = "beta"
    assert listed(api, project).json()["other_hosts"] == ["alpha"]
    project.folder.mkdir(parents=True)
    (project.folder / "here.txt").write_text("here")
    assert "other_hosts" not in listed(api, project).json()


def test_a_folder_is_listed_folders_first(api, project):
    (project.folder / "src").mkdir()
    (project.folder / "src" / "main.py").write_text("print()")
    (project.folder / "B.txt").write_text("four")
    (project.folder / "a.txt").touch()

    answer = listed(api, project)
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "files": [
                {"name": "src", "isDir": True, "size": 0},
                {"name": "a.txt", "isDir": False, "size": 0},
                {"name": "B.txt", "isDir": False, "size": 4},
            ],
            "count": 3,
            "next": None,
            "previous": None,
        },
    )
    inner = listed(api, project, "src").json()
    assert inner["files"] == [{"name": "main.py", "isDir": False, "size": 7}]


def test_a_long_folder_comes_in_pages(api, project):
    for number in range(5):
        (project.folder / f"{number}.txt").touch()
    page = api.get(f"projects/{project.pk}/files", limit=2, offset=2).json()
    assert ([file["name"] for file in page["files"]], page["count"]) == (["2.txt", "3.txt"], 5)
    assert "offset=4" in page["next"]


def test_a_folder_that_no_agent_needed_yet_is_empty(api):
    project = make.project()
    assert listed(api, project).json()["files"] == []
    assert listed(api, project, "src").status_code == 404


@pytest.mark.parametrize(
    ("name", "holds", "media_type"),
    [
        ("notes.md", "# Café\n".encode(), "text/plain; charset=utf-8"),
        ("page.html", b"<script>alert(1)</script>", "text/plain; charset=utf-8"),
        ("image.svg", b"<svg onload='alert(1)'/>", "text/plain; charset=utf-8"),
        ("empty", b"", "text/plain; charset=utf-8"),
        ("latin.txt", "Café".encode("latin-1"), "application/octet-stream"),
        ("image.png", b"\x89PNG\x00", "application/octet-stream"),
        ("nul.txt", b"a\x00b", "application/octet-stream"),
    ],
)
def test_a_content_is_sent_whole_and_never_as_what_a_browser_runs(api, project, name, holds, media_type):
    (project.folder / name).write_bytes(holds)
    answer = content(api, project, name)
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, holds, media_type)
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["line\nbreak.txt", 'quo"te.txt', "ünï.txt", "tab\t.txt", "a\r\nSet-Cookie: x=1"])
def test_odd_names_are_listed_and_do_not_break_the_header(api, project, name):
    (project.folder / name).write_text("x")
    assert [file["name"] for file in listed(api, project).json()["files"]] == [name]
    answer = content(api, project, name)
    assert (answer.status_code, answer.content) == (200, b"x")
    assert "Set-Cookie" not in answer
    assert "\n" not in answer["Content-Disposition"]


def test_a_name_that_is_no_utf8_is_listed(api, project):
    with open(os.path.join(os.fsencode(project.folder), b"\xff.txt"), "wb"):
        pass
    assert listed(api, project).json()["files"][0]["name"] == "\ufffd.txt"


@pytest.mark.parametrize(
    "where", ["..", "../..", "src/../..", "/etc/passwd", "/", "../{other}", "nul\x00", "x" * 5_000]
)
def test_a_path_that_leads_out_or_is_none_is_400(api, project, where):
    other = make.project()
    other.folder.mkdir()
    (project.folder / "src").mkdir()
    where = where.format(other=other.pk)
    assert_names(listed(api, project, where), "path")
    assert_names(content(api, project, where), "path")


@pytest.mark.parametrize("target", ["{secret}", "../../{name}", "{missing}"])
def test_no_link_leads_out_and_none_tells_whether_its_target_exists(api, project, secret, target):
    (project.folder / "link").symlink_to(target.format(secret=secret, name=secret.name, missing="/no/such/file"))
    assert_names(content(api, project, "link"), "path")
    assert listed(api, project).json()["files"] == [{"name": "link", "isDir": False, "size": 0}]


def test_no_link_to_a_folder_leads_out(api, project, secret):
    (project.folder / "up").symlink_to(secret.parent)
    assert_names(listed(api, project, "up"), "path")
    assert_names(content(api, project, f"up/{secret.name}"), "path")
    assert_names(content(api, project, f"up/../up/{secret.name}"), "path")


def test_a_link_in_place_of_the_projects_own_folder_leads_nowhere(api, secret):
    project = make.project()
    project.folder.symlink_to(secret.parent)
    assert_names(listed(api, project), "path")
    assert_names(content(api, project, secret.name), "path")


def test_a_link_that_is_put_there_after_the_check_leads_nowhere(api, project, secret, monkeypatch):
    (project.folder / "a").mkdir()
    (project.folder / "a" / secret.name).write_text("mine")
    checked = project_files._inside

    def swapped(*arguments):
        real = checked(*arguments)
        if not (project.folder / "a").is_symlink():
            (project.folder / "a").rename(project.folder / "b")
            (project.folder / "a").symlink_to(secret.parent)
        return real

    monkeypatch.setattr(project_files, "_inside", swapped)
    assert content(api, project, f"a/{secret.name}").status_code == 404


def test_a_link_that_stays_inside_is_followed(api, project):
    (project.folder / "real.txt").write_text("real")
    (project.folder / "link.txt").symlink_to("real.txt")
    assert content(api, project, "link.txt").content == b"real"
    (project.folder / "loop").symlink_to("loop")
    assert content(api, project, "loop").status_code in (400, 404)


@pytest.mark.parametrize("path", ["missing.txt", "file.txt/deeper", "x" * 300])
def test_what_is_not_there_is_404(api, project, path):
    (project.folder / "file.txt").touch()
    for answer, noun in ((listed(api, project, path), "Folder"), (content(api, project, path), "File")):
        assert (answer.status_code, answer.json()) == (404, {"detail": f"{noun} not found"})


def test_a_file_is_no_folder_and_a_folder_or_a_pipe_no_file(api, project):
    (project.folder / "file.txt").touch()
    os.mkfifo(project.folder / "pipe")
    assert listed(api, project, "file.txt").status_code == 404
    assert content(api, project, "").status_code == 404
    assert content(api, project, "pipe").status_code == 404


def test_a_file_of_any_size_is_sent_also_in_parts(api, project):
    large = bytes(range(256)) * (project_files.CONTENT_BYTES // 256) + b"\x00end"
    (project.folder / "large.bin").write_bytes(large)
    whole = content(api, project, "large.bin")
    assert (whole.status_code, whole["Content-Length"]) == (200, str(len(large)))
    assert whole["Cache-Control"] == "no-store"
    assert whole["Content-Disposition"] == 'attachment; filename="large.bin"'
    assert sent(whole) == large
    end = content(api, project, "large.bin", headers={"Range": "bytes=-3"})
    assert end["Content-Range"] == f"bytes {len(large) - 3}-{len(large) - 1}/{len(large)}"
    assert (end.status_code, sent(end)) == (206, b"end")
    beyond = content(api, project, "large.bin", headers={"Range": f"bytes={len(large)}-"})
    assert (beyond.status_code, beyond["Content-Range"]) == (416, f"bytes */{len(large)}")
    os.truncate(project.folder / "large.bin", project_files.CONTENT_BYTES)
    assert len(content(api, project, "large.bin").content) == project_files.CONTENT_BYTES


def test_projects_are_asked_for_and_their_permission(project):
    for path in ("files", "files/content"):
        missing = Api(None).get(f"projects/{uuid.uuid4()}/{path}")
        assert (missing.status_code, missing.json()) == (404, {"detail": "Project not found"})
        assert (
            Api(make.user(may=["mission_control.view_task"])).get(f"projects/{project.pk}/{path}").status_code
            == 403
        )
    viewer = Api(make.user(may=["mission_control.view_project"]))
    assert listed(viewer, project).status_code == 200
