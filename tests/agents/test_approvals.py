"""Approval policies: what a rule is about, and what no rule may let through."""

import os
from pathlib import Path

import pytest

from agents.backends import approvals
from agents.backends.approvals import decide, matches, rule_for, verdict


def bash(command: object) -> dict[str, object]:
    return {"command": command}


# ---------------------------------------------------------------- the order
def test_deny_comes_before_ask_and_ask_before_allow() -> None:
    policy = {"allow": ["Bash(git push origin)"], "ask": ["Bash(git push *)"], "deny": ["Bash(git *)"]}

    assert decide(policy, "Bash", bash("git push origin")) == "deny"
    assert decide({**policy, "deny": []}, "Bash", bash("git push origin")) == "ask"
    assert decide({"allow": policy["allow"]}, "Bash", bash("git push origin")) == "allow"


def test_a_call_that_no_rule_names_is_left_to_the_mode() -> None:
    assert decide({"allow": ["Read"], "ask": ["Bash"]}, "WebSearch", {"query": "x"}) == ""
    assert decide({}, "Bash", bash("ls")) == ""
    assert decide(None, "Bash", bash("ls")) == ""


def test_a_verdict_names_the_rules_that_gave_it() -> None:
    found = verdict({"allow": ["Bash(git log *)", "Read", "Bash(npm test)"]}, "Bash", bash("git log && npm test"))

    assert (found.decision, list(found.rules)) == ("allow", ["Bash(git log *)", "Bash(npm test)"])


# ---------------------------------------------------------------- commands
@pytest.mark.parametrize(
    ("rule", "command", "is_covered"),
    [
        ("Bash", "rm -rf /", True),
        ("Bash(*)", "rm -rf $(x)", True),
        ("Bash(git log *)", "git log", True),
        ("Bash(git log *)", "git log --oneline -3", True),
        ("Bash(git log *)", "git logs", False),
        ("Bash(git log*)", "git logs", True),
        ("Bash(npm run test:*)", "npm run test --watch", True),
        ("Bash(npm run test:*)", "npm run testing", False),
        ("Bash(npm run build)", "npm run build", True),
        ("Bash(npm run build)", "npm run build --x", False),
        ("Bash(* --version)", "node --version", True),
        ("Bash(git * main)", "git checkout main", True),
        (r"Bash(rm \*.txt)", "rm *.txt", True),
        (r"Bash(rm \*.txt)", "rm a.txt", False),
        ("Bash(npm test *)", "timeout 30 npm test", True),
        ("Bash(npm test *)", "npm test 2>&1", True),
        ("Bash(npm test *)", "npm test > /dev/null", True),
        ("Bash(git log *)", "git log \\\n  --oneline", True),
        ("Bash(git log *)", "git log --grep 'a; b && c | d'", True),
        ("execute(git log *)", "git log -3", False),
    ],
)
def test_a_rule_for_commands_covers_what_it_names(rule: str, command: str, is_covered: bool) -> None:
    assert matches(rule, "Bash", bash(command)) is is_covered


@pytest.mark.parametrize(
    "command",
    [
        "git log && evil",
        "git log || evil",
        "git log; evil",
        "git log | evil",
        "git log |& evil",
        "git log & evil",
        "git log\nevil",
        "git log $(evil)",
        "git log `evil`",
        'git log "$(evil)"',
        'git log "`evil`"',
        "git log <(evil)",
        "git log >(evil)",
        "git log ${x:-$(evil)}",
        "git log ${x@P}",
        "git log > ~/.bashrc",
        "git log >> file",
        "git log 2> file",
        "git log &> file",
        "git log >& file",
        "git log > /dev/null2",
        "git log $'\\'' ; evil '",
        'git log $"x" ; evil',
        "git log # ' \nevil # '",
        "git log '",
        'git log "',
        "git log \\",
        "git log <<EOF\n'\nEOF\nevil\n'",
        "(git log; evil)",
        "{ git log; evil; }",
        "git log\revil",
        "git log \0 evil",
        "evil git log",
        "\u00a0git log",
        "PATH=/tmp git log",
        "if git log; then evil; fi",
        "cd /tmp && git log",
        "git log \\'; evil '",
        "git log \\>& evil",
        "timeout 3 evil; git log",
    ],
)
def test_an_allow_rule_lets_no_other_command_through(command: str) -> None:
    assert decide({"allow": ["Bash(git log *)"]}, "Bash", bash(command)) == ""


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf x",
        "ls && rm x",
        "ls; rm x",
        "ls | rm x",
        "ls\nrm x",
        "ls & rm x",
        "echo $(rm x)",
        'echo "$(rm x)"',
        "echo `rm x`",
        "(rm x)",
        "{ rm x; }",
        "if true; then rm x; fi",
        "FOO=1 rm x",
        ">log rm x",
        "/bin/rm x",
        "rm\tx",
        r"r\m x",
        "'rm' x",
        'r"m" x',
        "sudo rm x",
        "sudo -u root /bin/rm x",
        "timeout 5 rm x",
        "env A=1 rm x",
        "find . -exec rm x ';'",
        "ls | xargs rm",
        "bash -c 'rm x'",
        "sudo bash -lc 'ls; rm x'",
        "eval 'rm x'",
        "cat <<EOF\nit's\nEOF\nrm x\n'",
        "ls # '\nrm x # '",
        "ls $'\\'' ; rm x '",
    ],
)
def test_a_deny_rule_finds_its_command_inside_of_others(command: str) -> None:
    assert decide({"deny": ["Bash(rm *)"], "allow": ["Bash"]}, "Bash", bash(command)) == "deny"


def test_a_word_in_quotes_is_no_command() -> None:
    assert decide({"deny": ["Bash(rm *)"]}, "Bash", bash("git commit -m 'now; rm x works'")) == ""


def test_a_command_may_be_a_list_of_words() -> None:
    policy = {"allow": ["Bash(git log *)"], "deny": ["Bash(rm *)"]}

    assert decide(policy, "execute", bash(["git", "log", "-3"])) == "allow"
    assert decide(policy, "execute", bash(["bash", "-lc", "git log && ls"])) == ""
    assert decide(policy, "execute", bash(["bash", "-lc", "git log && rm x"])) == "deny"
    assert decide(policy, "execute", bash(["rm", 1])) == ""


def test_the_title_of_a_call_denies_and_never_allows() -> None:
    policy = {"allow": ["Bash(git log *)"], "deny": ["Bash(rm *)"]}

    assert decide(policy, "execute", {"title": "git log"}) == ""
    assert decide(policy, "execute", {"title": "rm x"}) == "deny"


def test_a_command_too_long_to_be_read_is_asked_about_if_a_rule_could_be_about_it() -> None:
    long = ": " + "x" * 200_000 + "; rm x"

    assert decide({"deny": ["Bash(rm *)"], "allow": ["Bash"]}, "Bash", bash(long)) == "ask"
    assert decide({"allow": ["Bash"]}, "Bash", bash(long)) == "allow"
    assert decide({"allow": ["Bash(: *)"]}, "Bash", bash(long)) == ""


# ---------------------------------------------------------------- files
@pytest.mark.parametrize(
    ("rule", "path", "is_covered"),
    [
        ("Edit(src/**)", "src/a/b.py", True),
        ("Edit(/src/**)", "src/a.py", True),
        ("Edit(./src/**)", "/work/p/src/a.py", True),
        ("Edit(src/**)", "src/../../etc/passwd", False),
        ("Edit(src/**)", "lib/src/a.py", False),
        ("Edit(src/**)", "/etc/src/a.py", False),
        ("Edit(src/*.py)", "src/a.py", True),
        ("Edit(src/*.py)", "src/a/b.py", False),
        ("Edit(src/)", "src/a/b.py", True),
        ("Edit(*.md)", "docs/x.md", True),
        ("Edit(**)", "/etc/passwd", False),
        ("Edit(//etc/**)", "/etc/passwd", True),
        ("Edit(//etc/**)", "etc/passwd", False),
    ],
)
def test_a_rule_for_files_covers_paths_as_gitignore_names_them(rule: str, path: str, is_covered: bool) -> None:
    assert matches(rule, "Write", {"file_path": path}, workdir=Path("/work/p")) is is_covered


@pytest.mark.parametrize("path", [".env", "./.env", "a/../.env", "/work/p/.env", "sub/.env", "/work/p/sub/.env"])
@pytest.mark.parametrize("workdir", [None, Path("/work/p")])
def test_a_deny_rule_finds_its_file_however_the_path_is_written(path: str, workdir: Path | None) -> None:
    assert (
        decide({"deny": ["Read(.env)"], "allow": ["Read"]}, "Read", {"file_path": path}, workdir=workdir) == "deny"
    )


def test_a_deny_rule_for_a_folder_is_about_all_that_is_in_it() -> None:
    assert decide({"deny": ["Read(secrets)"]}, "Grep", {"path": "secrets/deep/x"}) == "deny"
    assert decide({"deny": ["Edit(./a)"]}, "edit", {"paths": ["b", "a/c"]}) == "deny"


def test_a_link_is_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    os.symlink("/etc", tmp_path / "src" / "out")
    os.symlink(tmp_path / ".env", tmp_path / "src" / "innocent")

    policy = {"allow": ["Edit(src/**)", "Read(src/**)"], "deny": ["Read(.env)"]}
    assert decide(policy, "Write", {"file_path": "src/out/passwd"}, workdir=tmp_path) == ""
    assert decide(policy, "Write", {"file_path": "src/new"}, workdir=tmp_path) == "allow"
    assert decide(policy, "Read", {"file_path": "src/innocent"}, workdir=tmp_path) == "deny"


def test_edit_is_about_every_tool_that_edits_and_write_only_about_writing() -> None:
    for tool in ("Edit", "Write", "MultiEdit", "NotebookEdit", "edit", "write_file"):
        assert decide({"ask": ["Edit"]}, tool, {"path": "x"}) == "ask"
    assert decide({"ask": ["Write"]}, "Edit", {"path": "x"}) == ""
    assert decide({"ask": ["Write"]}, "write_file", {"path": "x"}) == "ask"
    assert decide({"deny": ["Edit"]}, "delete", {"path": "x"}) == "deny"
    assert decide({"allow": ["Edit"]}, "delete", {"path": "x"}) == ""
    assert decide({"allow": ["delete(build/**)"]}, "delete", {"path": "build/x"}) == "allow"


def test_all_paths_of_a_call_must_be_allowed() -> None:
    policy = {"allow": ["Edit(src/**)"]}

    assert decide(policy, "edit", {"paths": ["src/a", "src/b"]}) == "allow"
    assert decide(policy, "edit", {"paths": ["src/a", "b"]}) == ""
    assert decide(policy, "edit", {"paths": ["src/a", 3]}) == ""
    assert decide(policy, "edit", {"paths": []}) == ""
    assert decide(policy, "edit", {}) == ""


# ---------------------------------------------------------------- web pages, servers, agents
@pytest.mark.parametrize(
    ("url", "decision"),
    [
        ("https://example.org/a?b#c", "allow"),
        ("https://EXAMPLE.org:8443/", "allow"),
        ("https://sub.example.org/", ""),
        ("https://example.org.evil.net/", ""),
        ("https://example.org@evil.net/", ""),
        ("https://evil.net\\@example.org/", ""),
        ("https://evil.net/?https://example.org/", ""),
        ("https://example.org\\.evil.net/", ""),
        ("file:///etc/passwd", ""),
        ("https://ex\u00e4mple.org/", ""),
        ("https://[::1/", ""),
    ],
)
def test_a_rule_for_web_pages_covers_one_host(url: str, decision: str) -> None:
    assert decide({"allow": ["WebFetch(domain:example.org)"]}, "WebFetch", {"url": url}) == decision


def test_a_deny_rule_for_a_host_finds_it_in_every_reading_of_an_address() -> None:
    policy = {"deny": ["WebFetch(domain:*.evil.net)"]}

    assert decide(policy, "fetch", {"url": "https://a.evil.net/"}) == "deny"
    assert decide(policy, "fetch", {"title": "Fetching https://a.evil.net/x"}) == "deny"
    assert decide(policy, "fetch", {"url": "https://a.evil.net\\@example.org/"}) == "deny"


def test_the_tools_of_servers_are_named_one_by_one_or_together() -> None:
    assert matches("mcp__git__log", "mcp__git__log", {})
    assert matches("mcp__git", "mcp__git__log", {})
    assert matches("mcp__git__*", "mcp__git__log", {})
    assert matches("mcp__git__get_*", "mcp__git__get_x", {})
    assert not matches("mcp__git", "mcp__github__log", {})
    assert not matches("mcp__git__log", "mcp__git__log_all", {})


def test_a_star_in_a_tools_name_asks_and_denies_but_allows_only_within_a_server() -> None:
    assert decide({"ask": ["*"]}, "Anything", {}) == "ask"
    assert decide({"deny": ["mcp__*"]}, "mcp__git__log", {}) == "deny"
    assert decide({"allow": ["*", "mcp__*"]}, "mcp__git__log", {}) == ""


def test_agents_and_skills_are_named_in_brackets() -> None:
    assert matches("Agent(Explore)", "Task", {"subagent_type": "Explore"})
    assert not matches("Agent(Explore)", "Task", {"subagent_type": "Other"})
    assert matches("Skill(deploy *)", "Skill", {"skill": "deploy x"})


# ---------------------------------------------------------------- the rule for "allow for this run"
@pytest.mark.parametrize(
    ("tool", "given", "rule"),
    [
        ("Bash", bash("git push origin main"), "Bash(git push *)"),
        ("Bash", bash("npm run test"), "Bash(npm run test *)"),
        ("Bash", bash("rm -rf build"), "Bash(rm -rf build)"),
        ("Bash", bash("rm *.o"), r"Bash(rm \*.o)"),
        ("Bash", bash("git -c x=y log"), "Bash(git -c x=y log)"),
        ("Bash", bash("git add . && git push"), "Bash(git add . && git push)"),
        ("Bash", bash("docker run x"), "Bash(docker run x)"),
        ("execute", bash("git push"), "execute(git push *)"),
        ("Write", {"file_path": "src/a[1].py"}, "Write(./src/a[[]1].py)"),
        ("Write", {"file_path": "/p/src/a.py"}, "Write(//p/src/a.py)"),
        ("WebFetch", {"url": "https://example.org/x"}, "WebFetch(domain:example.org)"),
        ("mcp__git__push", {"x": 1}, "mcp__git__push"),
        ("TodoWrite", {}, "TodoWrite"),
        ("Bash", {}, ""),
        ("Bash", bash("x" * 5_000), ""),
        ("Write", {}, ""),
        ("Bad(name)", {}, ""),
        (None, {}, ""),
    ],
)
def test_the_rule_for_a_call_is_the_narrowest_sensible_one(tool: str, given: dict[str, object], rule: str) -> None:
    assert rule_for(tool, given) == rule
    assert not rule or matches(rule, tool, given)


# ---------------------------------------------------------------- policies that are wrong
@pytest.mark.parametrize(
    "rule",
    ["Bash(", "Bash()", "(x)", "Bash(x", "Foo(bar)", "mcp__a__b(c)", "WebFetch(example.org)", "Bash(:*)", "a\nb"],
)
def test_a_rule_that_could_never_apply_is_refused(rule: str) -> None:
    wrong = approvals.wrong_policy({"approval_policy": {"ask": ["Bash", rule]}})

    assert wrong is not None
    assert wrong[0] == "approval_policy.ask.1"


def test_an_allow_rule_for_every_tool_is_refused() -> None:
    assert approvals.wrong_policy({"approval_policy": {"allow": ["*"]}}) is not None
    assert approvals.wrong_policy({"approval_policy": {"allow": ["mcp__x__*"], "ask": ["*"]}}) is None
