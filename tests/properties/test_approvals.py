"""Approval policies, for whatever an agent sends and whatever a shell makes of it."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.backends.approvals import LISTS, decide, matches, rule_for
from tests.properties.conftest import share


def bash(command: object) -> dict[str, object]:
    return {"command": command}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\0") | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
inputs = anything | st.dictionaries(st.sampled_from(["command", "path", "paths", "url", "title"]), anything)
tools = st.sampled_from(["Bash", "Edit", "Read", "WebFetch", "Skill", "Task", "mcp__a__b", "execute"]) | anything
policy_rules = st.sampled_from(
    ["Bash(rm *)", "Read(.env)", "Edit(src/**)", "WebFetch(domain:a.b)", "Skill(x)", "Agent(x)", "*", "mcp__a"]
) | st.text(max_size=30)
policies = st.fixed_dictionaries({}, optional=dict.fromkeys(LISTS, st.lists(policy_rules, max_size=3)))


@given(policies | anything, tools, inputs)
def test_no_policy_and_no_call_crashes(policy: object, tool: object, given_input: object) -> None:
    assert decide(policy, tool, given_input) in ("", "allow", "ask", "deny")
    assert decide(policy, tool, given_input, workdir=Path("/nowhere")) in ("", "allow", "ask", "deny")
    rule = rule_for(tool, given_input)
    assert not rule or matches(rule, tool, given_input)


shell_words = ["git log", "evil x", "x", *" '\"\\$()`;&|\n#<>{}"]
shell_lines = st.lists(st.sampled_from(shell_words), max_size=12).map(lambda words: "git log" + "".join(words))


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[bool, bool]]:
    """Run a line in a real shell; return whether it ran `evil`, and whether it wrote a file."""
    programs, folder = tmp_path_factory.mktemp("programs"), tmp_path_factory.mktemp("folder")
    (programs / "git").write_text("#!/bin/sh\n")
    (programs / "evil").write_text(f"#!/bin/sh\n: > {programs}/ran\n")
    for name in ("git", "evil"):
        (programs / name).chmod(0o755)
    sh = shutil.which("bash") or "/bin/sh"

    def run(line: str) -> tuple[bool, bool]:
        subprocess.run(
            [sh, "-c", line],
            cwd=folder,
            env={"PATH": str(programs)},
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
        found = (programs / "ran").exists(), any(folder.iterdir())
        (programs / "ran").unlink(missing_ok=True)
        for file in folder.iterdir():
            file.unlink()
        return found

    return run


@share(1.5)
@given(line=shell_lines)
def test_a_real_shell_runs_nothing_else_of_an_allowed_line_and_nothing_denied(
    shell: Callable[[str], tuple[bool, bool]], line: str
) -> None:
    has_run_evil, has_written = shell(line)

    if decide({"allow": ["Bash(git log *)"]}, "Bash", bash(line)) == "allow":
        assert not has_run_evil
        assert not has_written
    if has_run_evil:
        assert decide({"deny": ["Bash(evil *)"], "allow": ["Bash"]}, "Bash", bash(line)) == "deny"


@given(st.text(alphabet="ab*\\", max_size=30))
def test_the_rule_for_an_exact_command_covers_no_other(text: str) -> None:
    command = f"x {text}".strip()
    rule = rule_for("Bash", bash(command))

    assert not rule or not matches(rule, "Bash", bash(f"{command}b"))
