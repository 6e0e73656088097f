"""`manage.py up`: what works when it reports that it is ready, and its messages when it cannot start."""

import contextlib
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import urllib.request
from pathlib import Path

import pytest

from pocketpaw_site.environment import SetupError
from pocketpaw_site.supervisor.address import Address

pytestmark = [pytest.mark.system, pytest.mark.embedded]


def one_line(command) -> str:
    """Return the one line with which a command refused to start."""
    assert command.await_end() == 1, command.output
    complaints = [line for line in command.output.splitlines() if line.startswith("mission-control: ")]
    assert "Traceback" not in command.output
    assert len(complaints) == 1, command.output
    assert command.output.splitlines()[-1] == complaints[0]
    return complaints[0]


def test_ready_block_says_address_login_and_token(served):
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", served.url)
    assert urllib.request.urlopen(f"{served.url}/healthz", timeout=60).status == 200
    assert served.after("Token") == str(served.folder / "access_token")
    password = (served.folder / "admin_password").read_text().strip()
    assert password in served.after("Login")
    assert served.after("Login").startswith("admin")


def test_token_in_the_folder_opens_the_api(served):
    assert served.call("GET", "/api/mission-control/tasks")[0] == 200


def test_nothing_in_the_data_folder_is_readable_by_others(served):
    names = [served.folder, *served.folder.rglob("*")]
    assert len(names) > 5
    open_ones = [path for path in names if not path.is_symlink() and path.stat().st_mode & 0o077]
    assert open_ones == []
    for name in ("access_token", "admin_password", "secret_key"):
        assert stat.S_IMODE((served.folder / name).stat().st_mode) == 0o600


def test_processes_are_known_by_their_names(served):
    lines = served.commands()
    own = lines.pop(served.process.pid)
    assert own.endswith("manage.py up")
    assert sum("manage.py web --fd" in line for line in lines.values()) == 1
    assert all("manage.py web" in line or line.endswith("manage.py worker") for line in lines.values()), lines


def test_second_instance_on_the_folder_is_refused(served, start):
    before = served.pids
    complaint = one_line(start("up", in_folder=served.folder))
    assert f"pid {served.process.pid}" in complaint
    assert str(served.folder) in complaint
    assert served.pids == before
    assert urllib.request.urlopen(f"{served.url}/healthz", timeout=60).status == 200


def test_taken_port_is_said(start):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        complaint = one_line(start("up", PORT=str(port)))
    assert f"port {port} is in use" in complaint
    assert "PORT=" in complaint


def test_address_of_another_machine_is_said(start):
    assert "no address 192.0.2.1" in one_line(start("up", HOST="192.0.2.1"))


def test_data_folder_that_is_a_file_is_said(start, folder):
    folder.write_text("not a folder")
    assert str(folder) in one_line(start("up"))


@contextlib.contextmanager
def small_disk(place: Path, *, size: str):
    """Mount a small file system at the path; skip the test where this is not allowed."""
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("mounting a file system needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_read_only_data_folder_is_said(start, tmp_path):
    with small_disk(tmp_path / "disk", size="64m"):
        folder = tmp_path / "disk" / "data"
        assert start("worker", in_folder=folder).await_end() == 1  # it creates the folder and finds no database
        assert folder.is_dir()
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "disk")], check=True)
        complaint = one_line(start("up", in_folder=folder))
    assert "read-only" in complaint
    assert str(folder) in complaint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to any folder")
def test_data_folder_without_permission_is_said(start, folder):
    folder.mkdir(mode=0o500)
    assert str(folder) in one_line(start("up"))


@pytest.mark.parametrize("size", ["64k", "12m"])
def test_full_data_folder_is_said(start, tmp_path, size):
    with small_disk(tmp_path / "disk", size=size):
        complaint = one_line(start("up", in_folder=tmp_path / "disk" / "data"))
    assert "full" in complaint or "No space left" in complaint
    assert str(tmp_path / "disk" / "data") in complaint


def test_folder_that_takes_no_large_file_is_said(start, folder):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, limits[1]))
    try:
        command = start("up")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "full" in one_line(command)
    assert list(folder.glob(".probe*")) == []


def test_broken_database_file_is_said(start, folder):
    folder.mkdir()
    (folder / "mission_control.sqlite3").write_bytes(b"this is no database" * 1000)
    assert "not a database" in one_line(start("up"))


def test_worker_without_a_database_says_what_to_do(start):
    assert "manage.py up" in one_line(start("worker"))


def test_worker_with_another_secret_key_is_refused(served, start):
    assert "SECRET_KEY" in one_line(start("worker", in_folder=served.folder, SECRET_KEY="another-one"))


def test_second_start_keeps_everything(up, folder):
    first = up(MISSION_CONTROL_SAMPLE="yes")
    task, _ = first.make_task("Kept")
    token, password = (folder / "access_token").read_text(), (folder / "admin_password").read_text()
    assert first.call("GET", "/api/mission-control/projects")[1]["count"] == 1
    first.signal(signal.SIGTERM)
    assert first.await_end() == 0
    second = up(MISSION_CONTROL_SAMPLE="yes")
    assert (folder / "access_token").read_text() == token
    assert (folder / "admin_password").read_text() == password
    assert password.strip() not in second.output
    assert str(folder / "admin_password") in second.after("Login")
    assert second.call("GET", f"/api/mission-control/tasks/{task}")[1]["task"]["title"] == "Kept"
    assert second.call("GET", "/api/mission-control/projects")[1]["count"] == 1


@pytest.mark.parametrize(("host", "url"), [("0.0.0.0", "http://127.0.0.1:"), ("::", "http://[::1]:")])
def test_every_address_is_printed_as_one_that_can_be_opened(host, url):
    try:
        address = Address.listen(host, 0)
    except SetupError as error:
        pytest.skip(f"no such address here: {error}")
    with address.socket:
        assert address.url == f"{url}{address.port}"
