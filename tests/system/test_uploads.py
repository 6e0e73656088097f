"""Large files on the real server: the memory of the web process does not grow with them."""

import os
import re
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.system
MEGABYTE = 1024 * 1024
FILES, FILE_MEGABYTES = 6, 20


def peak_megabytes(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024


@pytest.fixture
def project(product):
    made = product.post("projects", title="Large files")["project"]
    yield product.data_dir / "projects" / made["id"]
    product.client.delete(f"projects/{made['id']}")


def test_large_files_are_taken_and_sent_without_being_held_in_memory(product, project, tmp_path):
    source = tmp_path / "large.bin"
    source.touch()
    os.truncate(source, FILE_MEGABYTES * MEGABYTE)
    url = f"projects/{project.name}/files"
    Path(f"/proc/{product.web_pid()}/clear_refs").write_text("5")  # forget the peak so far
    before = peak_megabytes(product.web_pid())

    with ExitStack() as opened:
        files = [("file", ("large.bin", opened.enter_context(source.open("rb")))) for _ in range(FILES)]
        answer = product.client.post(url, files=files, timeout=300)

    assert answer.status_code == 200, answer.text
    assert {file["size"] for file in answer.json()["files"]} == {FILE_MEGABYTES * MEGABYTE}
    assert len(list((project / "inputs").iterdir())) == FILES

    huge = project / "huge.bin"
    huge.touch()
    os.truncate(huge, FILES * FILE_MEGABYTES * MEGABYTE)
    number = 0
    with product.client.stream("GET", f"{url}/content?path=huge.bin", timeout=300) as answer:
        for piece in answer.iter_raw():
            number += len(piece)
    assert number == huge.stat().st_size
    assert peak_megabytes(product.web_pid()) - before < FILES * FILE_MEGABYTES / 2


def test_only_uploads_with_a_login_may_be_large(product, project):
    url = f"{product.api}/projects/{project.name}/files"
    body = b"x" * (11 * MEGABYTE)
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert httpx.post(url, content=body, headers=form, timeout=120).status_code == 413
    wrong = httpx.post(url, content=body, headers={**form, "Authorization": "Bearer wrong"}, timeout=120)
    assert wrong.status_code == 401
    assert product.client.post(f"projects/{project.name}", content=body, headers=form).status_code == 413
    chunked = product.client.post(url, content=iter([body]), headers=form, timeout=120)
    assert (chunked.status_code, chunked.headers["Content-Type"]) == (400, "application/json")
