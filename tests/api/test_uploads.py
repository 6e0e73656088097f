"""Files that people put into the working folders of projects and tasks."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from agents import folders
from mission_control.models import Activity, AttachedFile, Message
from mission_control.runs.attached_files import folder_of
from tests import make
from tests.api.answers import assert_names, sent
from tests.api.conftest import BASE, Api

PNG = b"\x89PNG\r\n\x1a\n" + bytes(30)


def a_file(content: bytes = b"x", name: str = "notes.txt") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def add(api: Api, owner, *files, **fields):
    kind = type(owner).__name__.lower()
    return api.client.post(f"{BASE}{kind}s/{owner.pk}/files", {"file": files or [a_file()], **fields})


def read(api: Api, url: str, path: str):
    return api.call("GET", url, query_params={"path": path})


def paths(answer) -> list[str]:
    assert answer.status_code == 200, answer.json()
    return [file["path"] for file in answer.json()["files"]]


@pytest.fixture
def project():
    return make.project()


def test_files_go_into_inputs_and_are_listed(api, project):
    answer = add(api, project, a_file(PNG, "plan.png"), a_file(b"a,b", "a.csv"))

    assert paths(answer) == ["inputs/plan.png", "inputs/a.csv"]
    first = answer.json()["files"][0]
    assert (first["name"], first["size"], first["content_type"]) == ("plan.png", len(PNG), "image/png")
    assert (first["project_id"], first["task_id"], first["added_by"]) == (str(project.pk), None, api.user.username)
    assert (project.folder / "inputs/plan.png").read_bytes() == PNG
    assert not list((project.folder / "inputs").glob(".*"))
    activity = Activity.objects.order_by("number").last()
    assert activity.message == f"Added to “{project.title}”: inputs/plan.png, inputs/a.csv"
    assert activity.metadata["person"] == api.user.username


@pytest.mark.parametrize("has_project", [True, False])
def test_files_of_a_task_are_in_its_working_folder_and_can_be_read_and_removed(api, project, has_project):
    task = make.task(project=project if has_project else None)
    [key] = [file["id"] for file in add(api, task, a_file(b"hello")).json()["files"]]
    stored = folder_of(task.project, task.pk) / "inputs/notes.txt"
    assert stored.read_bytes() == b"hello"

    listed = api.get(f"tasks/{task.pk}/attachments").json()
    assert [file["path"] for file in listed["attachments"]] == ["inputs/notes.txt"]
    assert read(api, f"tasks/{task.pk}/files", "inputs").json()["files"][0]["name"] == "notes.txt"
    content = read(api, f"tasks/{task.pk}/files/content", "inputs/notes.txt")
    assert (content.content, content["Content-Type"]) == (b"hello", "text/plain; charset=utf-8")

    assert api.delete(f"tasks/{make.task().pk}/attachments/{key}").status_code == 404
    assert api.delete(f"tasks/{task.pk}/attachments/{key}").json()["success"] is True
    assert not stored.exists() and not AttachedFile.objects.exists()
    assert api.delete(f"tasks/{task.pk}/attachments/{key}").status_code == 404


def test_a_message_names_the_files_of_its_task_only(api):
    task = make.task()
    [key] = [file["id"] for file in add(api, task).json()["files"]]
    made = api.made(f"tasks/{task.pk}/messages", content="See", attachment_ids=[key])
    assert made["attachment_ids"] == [key]
    other = api.post(f"tasks/{make.task().pk}/messages", {"content": "See", "attachment_ids": [key]})
    assert_names(other, "attachment_ids")
    assert Message.objects.count() == 1


def test_a_name_that_exists_gets_a_number_and_a_path_replaces(api, project):
    assert paths(add(api, project, a_file(b"1"), a_file(b"2"))) == ["inputs/notes.txt", "inputs/notes (2).txt"]
    assert paths(add(api, project, a_file(b"3"))) == ["inputs/notes (3).txt"]
    assert paths(add(api, project, a_file(b"4"), path="inputs/notes.txt")) == ["inputs/notes.txt"]
    assert (project.folder / "inputs/notes.txt").read_bytes() == b"4"
    assert AttachedFile.objects.filter(path="inputs/notes.txt").count() == 1
    assert paths(add(api, project, a_file(), a_file(b"y", "b"), path="data/raw/")) == [
        "data/raw/notes.txt",
        "data/raw/b",
    ]


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("../../evil.txt", "evil.txt"),
        ("C:\\temp\\evil.txt", "evil.txt"),
        (".bashrc", "bashrc"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("tab\there.txt", "tabhere.txt"),
        ("ü" * 200 + ".png", "ü" * 98 + ".png"),
        ("<img src=x>.md", "<img src=x>.md"),
        ("no ending", "no ending"),
    ],
)
def test_odd_names_are_stored_under_a_harmless_name(api, project, name, stored):
    assert paths(add(api, project, a_file(name=name))) == [f"inputs/{stored}"]


@pytest.mark.parametrize(
    "path",
    [
        *("../x", "/etc/x", "a/../../x", "a//b", "a\x00b", "a\nb", ".git/hooks/pre-commit", "a/.claude/x"),
        *("x" * 300, "a/" * 3_000, "..\\x", "./x"),
    ],
)
def test_a_path_that_leads_out_or_is_hidden_is_400(api, project, path):
    assert_names(add(api, project, path=path), "path")
    assert not project.folder.exists() and not AttachedFile.objects.exists()


def test_what_is_no_list_of_files_is_400(api, project):
    url = f"{BASE}projects/{project.pk}/files"
    for body in ({}, {"file": "text"}, {"other": a_file()}, {"file": [a_file() for _ in range(11)]}):
        assert_names(api.client.post(url, body), "file")
    assert_names(api.post(f"projects/{project.pk}/files", {"file": "x"}), "file")
    assert_names(add(api, project, a_file(), a_file(), path="one.txt"), "path")


def test_a_file_over_the_limit_is_413_and_none_is_kept(api, project, settings):
    settings.MAX_FILE_BYTES = 100
    assert add(api, project, a_file(b"x" * 100)).status_code == 200
    answer = add(api, project, a_file(), a_file(b"x" * 101, "big.bin"))
    assert (answer.status_code, answer.json()["detail"]) == (413, "big.bin is larger than 0 MB.")
    assert AttachedFile.objects.count() == 1


def test_an_agents_link_in_the_way_is_not_followed(api, project, tmp_path):
    project.folder.mkdir(parents=True)
    (project.folder / "inputs").symlink_to(tmp_path)
    assert_names(add(api, project), "path")
    (project.folder / "inputs").unlink()
    (project.folder / "inputs").mkdir()
    (tmp_path / "target").write_text("untouched")
    (project.folder / "inputs/notes.txt").symlink_to(tmp_path / "target")
    assert paths(add(api, project)) == ["inputs/notes (2).txt"]
    assert paths(add(api, project, path="inputs/notes.txt")) == ["inputs/notes.txt"]
    assert (tmp_path / "target").read_text() == "untouched"
    assert not (project.folder / "inputs/notes.txt").is_symlink()


def test_an_agents_link_to_a_hidden_folder_is_not_followed(api, project):
    hooks = project.folder / ".git/hooks"
    hooks.mkdir(parents=True)
    (project.folder / "inputs").symlink_to(hooks)
    assert_names(add(api, project, a_file(name="pre-commit")), "path")
    assert not list(hooks.iterdir()) and not AttachedFile.objects.exists()


def test_a_folder_whose_files_would_have_too_long_a_path_is_409(api, project):
    answer = add(api, project, path="a/" * 2_040)
    assert (answer.status_code, answer.json()["detail"]) == (409, "The path is too long.")
    assert not (project.folder / "a").exists() and not AttachedFile.objects.exists()


def test_what_an_agent_put_in_the_way_is_409_in_clear_words(api, project):
    project.folder.mkdir(parents=True)
    (project.folder / "inputs").write_text("a file")
    answer = add(api, project)
    assert (answer.status_code, answer.json()["detail"]) == (409, "A part of inputs is not a folder.")
    (project.folder / "docs").mkdir()
    answer = add(api, project, path="docs")
    assert (answer.status_code, answer.json()["detail"]) == (409, "There is a folder at docs.")


def test_a_full_disk_is_409_and_leaves_nothing(api, project, monkeypatch):
    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", no_space)
    answer = add(api, project)
    assert (answer.status_code, answer.json()["detail"]) == (409, "The disk has too little free space.")
    assert not list((project.folder / "inputs").iterdir())


def test_files_of_the_same_name_at_once_all_get_names_of_their_own(tmp_path):
    root = folders.root_of(tmp_path / "work")
    root.mkdir()

    def store(number: int) -> str:
        source = BytesIO(str(number).encode())
        return folders.store_file(root, root / "inputs/a.txt", source, replaces=False).name

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(store, range(24)))
    assert len(set(names)) == 24
    assert {(root / "inputs" / name).read_text() for name in names} == set(map(str, range(24)))


def test_those_who_can_read_the_folder_can_read_the_file(tmp_path):
    root = folders.root_of(tmp_path / "work")
    root.mkdir()
    root.chmod(0o755)
    before = os.umask(0o077)
    try:
        stored = folders.store_file(root, root / "inputs/a.txt", BytesIO(b"x"), replaces=False)
    finally:
        os.umask(before)
    assert (stored.parent.stat().st_mode & 0o777, stored.stat().st_mode & 0o777) == (0o755, 0o644)


def test_permissions_are_required(project):
    task = make.task(project=project)
    viewer = Api(make.user(may=["mission_control.view_task", "mission_control.view_project"]))
    assert add(viewer, project).status_code == add(viewer, task).status_code == 403
    assert viewer.get(f"tasks/{task.pk}/files").status_code == 200
    no_projects = Api(make.user(may=["mission_control.view_task", "mission_control.change_task"]))
    assert paths(add(no_projects, task)) == ["inputs/notes.txt"]
    for path in ("files", "files/content"):
        assert read(no_projects, f"tasks/{task.pk}/{path}", "inputs/notes.txt").status_code == 403
    assert add(Api(), make.task()).status_code == 200


# ---------------------------------------------------------------- content
@pytest.mark.parametrize(
    ("name", "content", "is_shown"),
    [
        ("a.png", PNG, True),
        ("b.html", b"\xff\xd8\xff\xe0", True),
        ("c.svg", b"<svg onload='alert(1)'/>", False),
        ("d.png", b"<script>alert(1)</script>", False),
        ("e.pdf", b"%PDF-1.7\x00", False),
    ],
)
def test_only_images_are_shown_and_nothing_runs(api, project, name, content, is_shown):
    (project.folder).mkdir(parents=True)
    (project.folder / name).write_bytes(content)
    answer = read(api, f"projects/{project.pk}/files/content", name)
    assert answer["Content-Disposition"].partition(";")[0] == ("inline" if is_shown else "attachment")
    assert answer["Content-Type"].startswith("image/") is is_shown
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"] and "'self'" not in answer["Content-Security-Policy"]


def test_a_browser_asks_again_only_for_an_image_that_changed(api, project):
    project.folder.mkdir(parents=True)
    (project.folder / "a.png").write_bytes(PNG)
    url = f"projects/{project.pk}/files/content?path=a.png"
    first = api.call("GET", url)
    etag = first["ETag"]
    assert sent(first) == PNG
    assert api.call("GET", url, headers={"If-None-Match": f'"x", W/{etag}'}).status_code == 304
    part = api.call("GET", url, headers={"Range": "bytes=0-3", "If-Range": etag})
    assert (part.status_code, sent(part)) == (206, PNG[:4])
    (project.folder / "a.png").write_bytes(PNG + b"more")
    whole = api.call("GET", url, headers={"Range": "bytes=0-3", "If-Range": etag})
    assert (whole.status_code, sent(whole)) == (200, PNG + b"more")
    head = api.call("HEAD", url)
    assert (head.status_code, head["Content-Length"], head.content) == (200, str(len(PNG) + 4), b"")
