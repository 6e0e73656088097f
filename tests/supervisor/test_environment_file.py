"""Settings and keys in `.env`: which programs read it, what overrides it, and the message for a broken file."""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pocketpaw_site.environment import SetupError, names, read_environment
from tests.agents.wire import STREAM_HEAD, chunk
from tests.servers import wait_until
from tests.supervisor.processes import Command
from tests.supervisor.test_start import one_line

KEY = "quiet-horse-battery-staple"  # no known format: only the variable's name shows that it is secret
VARIABLES = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "GROQ_API_KEY", "ALLOWED_HOSTS")


@pytest.fixture(autouse=True)
def _nothing_set_outside_the_file(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def provider():
    """Serve a model that repeats the key it was sent, and record the keys."""
    keys = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            keys.append(self.headers["Authorization"])
            self.rfile.read(int(self.headers["Content-Length"]))
            self.close_connection = True
            said = [chunk(f"You sent {self.headers['Authorization']}"), chunk(finish="stop")]
            self.wfile.write(STREAM_HEAD + b"".join(said) + b"data: [DONE]\n\n")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server, keys
    server.shutdown()
    server.server_close()


@pytest.mark.system
@pytest.mark.embedded
def test_a_key_in_the_file_reaches_the_backend_and_is_hidden_in_its_output(up, start, tmp_path, provider):
    server, keys = provider
    file = tmp_path / "settings.env"
    show = json.dumps({"show": {"argv": ["env"]}})
    file.write_text(
        "\ufeff# as an editor on Windows writes it\n"
        f"OPENAI_API_KEY={KEY}\nOPENAI_BASE_URL=http://127.0.0.1:{server.server_port}/v1\n"
        f"MISSION_CONTROL_MAX_CONCURRENT_TASKS=3\nMISSION_CONTROL_COMMANDS='{show}'\n"
        "ALLOWED_HOSTS= a.example , 127.0.0.1\n",
        encoding="utf-8",
    )
    product = up(MISSION_CONTROL_ENV_FILE=str(file))

    assert product.call("GET", "/api/mission-control/capacity")[1]["limit"] == 3

    run = _run(product, {"backend": "pydantic_ai", "backend_options": {"model": "openai:m"}})
    assert run["status"] == "completed", run
    assert keys == [f"Bearer {KEY}"]
    assert "You sent" in run["output"]
    assert KEY not in json.dumps(run)

    run = _run(product, {"backend": "command", "backend_options": {"command": "show"}})
    assert run["status"] == "completed", run
    assert "PATH=" in run["output"]
    assert not [name for name in ("OPENAI", "MISSION_CONTROL", "ALLOWED_HOSTS") if name in run["output"]]

    checked = start("check_agents", in_folder=product.folder, MISSION_CONTROL_ENV_FILE=str(file))
    checked.await_end()
    assert "Set the key" not in checked.output and "needs OPENAI_API_KEY" not in checked.output


def _run(product, agent: dict) -> dict:
    api = "/api/mission-control"
    made = product.call("POST", f"{api}/agents", {"name": agent["backend"], "role": "Tester", **agent})[1]["agent"]
    task = product.call("POST", f"{api}/tasks", {"title": "Say it"})[1]["task"]["id"]
    run = product.run((task, made["id"]))
    wait_until(lambda: product.state(run)["finished_at"], seconds=60, what="the run to end")
    return product.state(run)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_a_file_in_another_encoding_is_refused_in_one_line(start, tmp_path, encoding):
    file = tmp_path / "settings.env"
    file.write_bytes("OPENAI_API_KEY=schlüssel\n".encode(encoding))
    complaint = one_line(start("check", MISSION_CONTROL_ENV_FILE=str(file)))
    assert f"{file} is not UTF-8 text" in complaint


def test_a_mistyped_name_of_the_file_is_refused_in_one_line(start, tmp_path):
    complaint = one_line(start("check", MISSION_CONTROL_ENV_FILE=str(tmp_path / "no.env")))
    assert f"MISSION_CONTROL_ENV_FILE names a file that does not exist: {tmp_path / 'no.env'}" in complaint
    assert "a file that does not exist" in one_line(start("check", MISSION_CONTROL_ENV_FILE=str(tmp_path)))


def test_the_application_of_an_asgi_server_refuses_a_broken_file_in_one_line(folder, tmp_path):
    class Daphne(Command):
        program = (*Command.program[:1], "-m", "daphne", "-p", "0")

    started = Daphne(folder, "pocketpaw_site.asgi:application", MISSION_CONTROL_ENV_FILE=str(tmp_path / "no.env"))
    try:
        assert "a file that does not exist" in one_line(started)
    finally:
        started.end()


def test_a_variable_of_the_environment_wins_over_the_file(monkeypatch, tmp_path):
    file = tmp_path / ".env"
    file.write_text("GROQ_API_KEY=of-the-file\nANTHROPIC_API_KEY=of-the-file\n")
    monkeypatch.setattr("pocketpaw_site.environment.CHECKOUT", tmp_path)
    monkeypatch.delenv("MISSION_CONTROL_ENV_FILE")
    monkeypatch.setenv("GROQ_API_KEY", "")
    monkeypatch.setattr(os, "environ", dict(os.environ))  # variables read here are gone after the test
    read_environment()
    assert (os.environ["GROQ_API_KEY"], os.environ["ANTHROPIC_API_KEY"]) == ("", "of-the-file")


def test_an_unreadable_default_file_is_refused(monkeypatch, tmp_path):
    (tmp_path / ".env").mkdir()
    monkeypatch.setattr("pocketpaw_site.environment.CHECKOUT", tmp_path)
    monkeypatch.delenv("MISSION_CONTROL_ENV_FILE")
    with pytest.raises(SetupError, match="cannot be read"):
        read_environment()


def test_lists_may_have_blanks_around_their_entries():
    assert names(" a.example, b.example ,,") == ["a.example", "b.example"]
