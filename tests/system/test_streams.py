"""Commands whose output cannot be written: no traceback, and an exit status that says so."""

import os
import pty
import re
import subprocess
import sys

import pytest

from tests.product import CHECKOUT

pytestmark = pytest.mark.system


def shell(product, line: str, **environment) -> subprocess.CompletedProcess:
    """Run a line of shell in which `manage` is the product's command line; `pipefail` keeps each exit status."""
    script = f'set -o pipefail; manage() {{ "{sys.executable}" manage.py "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", script],
        cwd=CHECKOUT,
        env={**product.environment, **environment},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
    )


def tokens(product) -> list[str]:
    return sorted(one["name"] for one in product.get("/tokens?limit=1000")["tokens"])


@pytest.mark.parametrize(
    ("where", "status"),
    [("| true", 141), (">/dev/full", 74), (">&-", 74)],
    ids=["a pipe that nobody reads", "a full device", "closed"],
)
def test_a_command_whose_output_cannot_be_written_says_so_by_its_exit_status_without_a_traceback(
    product, where, status
):
    before = tokens(product)
    done = shell(product, f"manage create_token admin --name lost {where}")
    checked = shell(product, f"manage check_agents {where}")

    assert (done.returncode, checked.returncode) == (status, status)
    assert "Traceback" not in done.stderr + checked.stderr and "Exception ignored" not in done.stderr
    assert ("cannot be written" in done.stderr) is (status == 74)
    assert tokens(product) == before  # a token that nobody has read is deleted


def test_a_run_goes_on_when_the_reader_of_its_output_has_left(product):
    agent = product.new_rehearser(200, delay=0.02)
    task = product.new_task(title="Piped")
    done = shell(product, f"manage run_task {task} --agent {agent} | head -2; exit ${{PIPESTATUS[0]}}")

    assert done.returncode == 141 and "Traceback" not in done.stderr
    assert product.ended(product.get(f"/tasks/{task}/runs")["runs"][0]["id"])["status"] == "completed"


def test_what_the_output_cannot_show_is_replaced_and_closed_error_output_is_no_failure(product):
    agent = product.new_agent(name="Ünï ☃", backend="demo")
    done = shell(product, "manage check_agents 2>&-", PYTHONIOENCODING="latin-1")

    assert done.returncode in {0, 1} and "?" in done.stdout and agent
    done = shell(product, "manage create_token admin --name kept 2>&-")
    assert done.returncode == 0, shell(product, "manage create_token admin --name again").stderr
    assert re.fullmatch(r"mct_[0-9a-f]+\n", done.stdout)


def test_what_an_agent_says_steers_no_terminal(product):
    agent = product.new_agent(name="Noisy", backend="demo")  # it lists the headings of its prompt
    task = product.new_task(title="Noise", description="# a\x1b]52;c;aGk=\x07b\x1b[2Jc\x9b31md\x07")
    command = [sys.executable, "manage.py", "run_task", task, "--agent", agent]
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, cwd=CHECKOUT, env=product.environment, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        while piece := read(ours):
            seen += piece
        assert process.wait(60) == 0
    os.close(ours)
    assert b"abcd" in seen and not re.search(rb"\x1b|\x07|\xc2\x9b", seen)


def read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # the other side has closed the connection
        return b""
