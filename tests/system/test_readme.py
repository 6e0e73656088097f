"""The documents are right: the README's code runs as written, and the settings table has what the code reads."""

import os
import re
import signal
import subprocess
import sys

import pytest

from tests.product import CHECKOUT
from tests.servers import wait_until

README = (CHECKOUT / "README.md").read_text()
# Internal variables, which no user sets.
INTERNAL = {"MISSION_CONTROL_PROCESS"}


def code(language: str) -> str:
    """Return the README's code blocks in this language, joined."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert blocks
    return "".join(blocks)


def environment_for(product) -> dict[str, str]:
    return {**os.environ, "URL": product.url, "MISSION_CONTROL_DATA_DIR": str(product.data_dir)}


def run_task(product, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "manage.py", "run_task", *arguments],
        cwd=CHECKOUT,
        env=product.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def newest_task(product, title: str) -> dict:
    tasks = product.get("/tasks?ordering=-created_at&limit=500")["tasks"]
    return next(task for task in tasks if task["title"] == title)


def assert_result_flowed(product, *, agent: str, second: str, said: str) -> None:
    """Check the README's promise: the first task has a deliverable, which is in the second task's prompt."""
    first, last = newest_task(product, "Collect the facts"), newest_task(product, second)
    assert (first["status"], last["status"], last["blocked_by"]) == ("done", "done", [first["id"]])
    [document] = product.get(f"/tasks/{first['id']}/documents")["documents"]
    assert document["title"] == "Deliverable: Collect the facts" and document["content"]
    run = product.run_of(last["last_run"]["id"])
    assert run["agent_name"] == agent
    assert document["content"] in run["prompt"]
    assert run["prompt"] in said
    assert said.count("event: mc_task_completed") == 2


def output_of(command: list[str], product) -> str:
    """Run a command in the checkout as a reader of the README does; it must succeed without warnings."""
    environment = environment_for(product)
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=90)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


@pytest.mark.system
def test_the_bash_blocks_do_what_the_readme_promises(product):
    script = "set -euo pipefail\n" + code("bash")
    said = output_of(["bash", "-c", script], product)

    assert_result_flowed(product, agent="Ada", second="Write the leaflet", said=said)
    assert "Task is blocked by unfinished tasks" in said
    second = newest_task(product, "Write the leaflet")
    assert "One page, in plain words." in product.run_of(second["last_run"]["id"])["prompt"]
    assert any(agent["name"] == "Local" for agent in product.get("/agents?limit=500")["agents"])


@pytest.mark.system
def test_the_python_block_has_ten_lines_and_does_the_same(product):
    block = code("python")
    assert sum(bool(line) for line in block.splitlines()) == 10
    said = output_of([sys.executable, "-c", block], product)

    assert_result_flowed(product, agent="Grace", second="Write the leaflet", said=said)


@pytest.mark.system
def test_the_readmes_run_task_line_runs_a_task_of_the_sample(product):
    [line] = re.findall(r"^\$ \.venv/bin/python (manage\.py run_task .*)$", README, re.MULTILINE)
    done = subprocess.run(
        f"{sys.executable} {line}",
        shell=True,
        cwd=CHECKOUT,
        env=product.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert "Demo backend" in done.stdout


@pytest.mark.system
def test_run_task_shows_the_output_and_exits_with_0_when_the_run_is_completed(product):
    task = product.new_task()
    done = run_task(product, task, "--agent", product.new_rehearser(5))

    assert done.returncode == 0, done.stderr
    assert [f"[{number}] " in done.stdout for number in range(1, 6)] == [True] * 5
    assert done.stdout == product.run_of(product.get(f"/tasks/{task}")["task"]["last_run"]["id"])["output"]


@pytest.mark.system
def test_run_task_exits_with_1_and_says_why_when_the_run_fails(product):
    task = product.new_task()
    done = run_task(product, task, "--agent", product.new_rehearser(5, fail_after=3))

    last = product.get(f"/tasks/{task}")["task"]["last_run"]
    assert (done.returncode, last["status"]) == (1, "error"), done.stderr
    assert "[3] " in done.stdout and "[4] " not in done.stdout
    assert last["error"] in done.stderr


@pytest.mark.system
def test_ctrl_c_stops_the_run_and_run_task_exits_with_3(product):
    task = product.new_task()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run_task", task, "--agent", product.new_rehearser(100_000, delay=0.02)],
        cwd=CHECKOUT,
        env=product.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        run = wait_until(
            lambda: product.get(f"/tasks/{task}")["task"]["active_run_id"], what="run_task to start the run"
        )
        product.running(run)
        process.stdout.read(1)  # it prints output, so it has started
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    finally:
        process.kill()

    assert (process.returncode, product.run_of(run)["status"]) == (3, "stopped")


@pytest.mark.system
def test_run_task_exits_with_4_when_it_is_refused(product):
    agent, first = product.new_rehearser(1), product.new_task()
    blocked = product.new_task(blocked_by=[first])
    refusals = {
        "Task is blocked by unfinished tasks": run_task(product, blocked, "--agent", agent),
        "no task is called 'no such task'": run_task(product, "no such task", "--agent", agent),
        "no agent is called 'nobody'": run_task(product, first, "--agent", "nobody"),
        "no assignee": run_task(product, first),
    }

    for reason, refused in refusals.items():
        assert refused.returncode == 4, refused.stderr
        assert reason in refused.stderr
    assert product.get(f"/tasks/{first}/runs")["count"] == 0


# ---------------------------------------------------------------- settings
def read_by_the_settings() -> set[str]:
    return set(re.findall(r'\benv\.\w+\(\s*"(\w+)"', (CHECKOUT / "pocketpaw_site/settings.py").read_text()))


def read_by_both() -> set[str]:
    """Return the variables that the settings read, typed or as plain strings, and those read before them."""
    plain = r'environ\.get\(\s*"(\w+)"'
    sources = [CHECKOUT / "pocketpaw_site" / name for name in ("settings.py", "environment.py")]
    return read_by_the_settings() | {name for source in sources for name in re.findall(plain, source.read_text())}


def documented() -> set[str]:
    """Return the variables that have a row in the tables of docs/settings.md."""
    return set(re.findall(r"^\| `([A-Z_]+)` \|", (CHECKOUT / "docs/settings.md").read_text(), re.MULTILINE))


def exemplified() -> set[str]:
    return set(re.findall(r"^#?([A-Z_]+)=", (CHECKOUT / ".env.example").read_text(), re.MULTILINE))


def test_every_setting_is_documented_and_every_documented_setting_is_read():
    assert "MISSION_CONTROL_MAX_CONCURRENT_TASKS" in read_by_the_settings()
    assert documented() == read_by_both() - INTERNAL


def test_the_example_file_lists_every_setting_and_no_other():
    assert exemplified() == read_by_the_settings()


def test_links_between_the_documents_lead_somewhere():
    for document in [CHECKOUT / "README.md", CHECKOUT / "CHANGELOG.md", *(CHECKOUT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"
