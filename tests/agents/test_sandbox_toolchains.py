"""The toolchains of the home folder in the sandbox, what stays hidden, and the caches of a project."""

import os
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from environs import ValidationError

from agents import isolation, protection, toolchains
from agents.backends.programs.allowed import SandboxPath
from agents.backends.programs.sandbox_files import sandbox_paths, skills_folder
from mission_control.actions import projects
from mission_control.models import Project
from tests.agents.test_command import heard
from tests.needs import lack, need
from tests.servers import wait_until

# Programs of toolchains, by the folder below the home; each prints its name.
PROGRAMS = {
    ".local/bin/handy": "handy",
    ".pyenv/shims/snake": "snake",
    ".nvm/versions/node/v20.1.0/bin/old-node": "old-node",
    ".nvm/versions/node/v22.3.1/bin/new-node": "new-node",
    ".volta/bin/volted": "volted",
    ".cargo/bin/crate": "crate",
    ".local/share/mise/installs/zig/0.13/bin/zigged": "zigged",
    ".asdf/shims/asdfed": "asdfed",
    ".deno/bin/denoed": "denoed",
    ".bun/bin/bunned": "bunned",
    "go/bin/gone": "gone",
    "sdk/go1.23/bin/gofer": "gofer",
    ".sdkman/candidates/java/21/bin/javaish": "javaish",
    ".local/share/uv/python/cpython-3.13/bin/uvpython": "uvpython",
    ".local/share/app/venv/bin/linked": "linked",
}
LINKS = {
    ".sdkman/candidates/java/current": "21",
    ".local/share/mise/installs/zig/latest": "0.13",
    ".local/bin/linked": "../share/app/venv/bin/linked",
    ".local/bin/key": "../../.ssh/id_ed25519",
}
SECRETS = (
    *(".ssh/id_ed25519", ".gnupg/private.key", ".netrc", ".npmrc", ".config/pip/pip.conf", ".docker/config.json"),
    *(".aws/credentials", ".config/gcloud/token.db", ".azure/token", ".kube/config", ".config/gh/hosts.yml"),
    *(".local/share/keyrings/login.keyring", ".cargo/credentials.toml", ".cargo/config.toml", ".git-credentials"),
    *(".local/share/uv/credentials/credentials.toml", ".m2/settings.xml", ".gradle/gradle.properties", ".bashrc"),
    *(".config/mise/config.toml", ".pypirc", "notes.txt", ".config/go/env"),
    *(".nvm/versions/node/v20.1.0/etc/npmrc", ".pyenv/versions/3.13.1/pip.conf"),
    *(".local/share/mise/installs/zig/0.13/etc/npmrc", ".asdf/installs/python/3.13.1/pip.conf"),
)


@pytest.fixture
def home(settings, monkeypatch, tmp_path):
    """Use a made-up home with toolchains and secrets, and a data folder with one project."""
    need("bwrap", "agents in the sandbox")
    if problem := isolation.bubblewrap_problem():
        lack(problem)
    home = tmp_path / "home"
    for name, word in PROGRAMS.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(f"#!/bin/sh\necho {word} 1.2.3\n")
        (home / name).chmod(0o700)
    for name in SECRETS:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("the secret")
    for name, target in LINKS.items():
        (home / name).symlink_to(target)
    (home / ".nvm/alias").mkdir()
    (home / ".nvm/alias/default").write_text("20\n")
    (tmp_path / "data/projects/p").mkdir(parents=True)
    (tmp_path / "data/access_token").write_text("the secret")
    for toolchain in toolchains.TOOLCHAINS:
        monkeypatch.delenv(toolchain.variable or "NONE", raising=False)
    for variable in toolchains.CACHES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    settings.AGENT_ISOLATION = "bubblewrap"
    settings.CACHES_DIR = tmp_path / "data/caches"
    settings.PROJECTS_DIR = tmp_path / "data/projects"
    settings.CLOSED_TO_AGENTS = [tmp_path / "data"]
    settings.SANDBOX_PATHS = ()
    return home


async def inside(settings, home: Path, shell: str, **definition) -> str:
    """Run the shell script as an agent of the project; return its output."""
    settings.MISSION_CONTROL_COMMANDS = {"mine": {"argv": ["/bin/sh", "-c", shell], **definition}}
    seen = await heard(home.parent / "data/projects/p", command="mine")
    assert seen.error == ""
    return seen.text()


async def test_programs_of_every_toolchain_are_found_and_run(settings, home):
    names = sorted({*PROGRAMS.values()} - {"new-node", "uvpython"})
    said = await inside(settings, home, f"for one in {' '.join(names)}; do $one; done; true")
    assert said.splitlines() == [f"{name} 1.2.3" for name in names]


async def test_nothing_of_a_toolchain_can_be_changed(settings, home):
    files = " ".join(str(home / name) for name in PROGRAMS)
    said = await inside(settings, home, f"for one in {files}; do echo x 2>&- >> $one && echo $one; done; true")
    assert said == ""


async def test_the_variables_of_toolchains_name_their_folders(settings, home, monkeypatch):
    elsewhere = home.parent / "elsewhere"
    (elsewhere / "shims").mkdir(parents=True)
    monkeypatch.setenv("PYENV_ROOT", str(elsewhere))
    said = await inside(
        settings, home, 'echo "$PYENV_ROOT $NVM_DIR $JAVA_HOME $RUSTUP_HOME"; ls -d "$PYENV_ROOT/shims"'
    )
    java = home / ".sdkman/candidates/java/current"
    assert said == f"{elsewhere} {home}/.nvm {java} \n{elsewhere}/shims\n"


async def test_no_login_and_no_other_file_of_the_home_is_visible(settings, home):
    everywhere = "grep -rs 'the secret' / --exclude-dir=proc --exclude-dir=sys --exclude-dir=usr"
    said = await inside(settings, home, f"cat ~/.local/bin/key 2>&-; {everywhere}; true")
    assert said == ""


async def test_a_login_inside_a_visible_folder_is_hidden_also_by_another_name(settings, home):
    """~/.config is shown, and a second time through a link."""
    (home.parent / "alias").symlink_to(home / ".config")
    shown = (SandboxPath(home / ".config"), SandboxPath(home.parent / "alias", is_writable=True))
    settings.SANDBOX_PATHS = shown
    (home / ".config/plain").write_text("plain")
    both = f"{home}/.config {home.parent}/alias"
    said = await inside(settings, home, f"cat {home}/.config/plain; grep -rs 'the secret' {both}; true")
    assert said == "plain"


async def test_a_path_that_the_programs_definition_names_stays_visible(settings, home):
    said = await inside(settings, home, "cat ~/.netrc; cat ~/.npmrc 2>&-; true", readable=["~/.netrc"])
    assert said == "the secret"


async def test_a_toolchain_that_is_the_whole_home_shows_nothing_of_it(settings, home, monkeypatch):
    monkeypatch.setenv("VOLTA_HOME", str(home))
    monkeypatch.setenv("ASDF_DATA_DIR", str(home.parent))
    monkeypatch.setenv("CARGO_HOME", "../relative")
    assert await inside(settings, home, "cat ~/notes.txt 2>&-; true") == ""


async def test_a_git_configuration_with_a_login_is_hidden(settings, home):
    (home / ".gitconfig").write_text("[user]\n\tname = Ada\n")
    assert "Ada" in await inside(settings, home, "cat ~/.gitconfig")
    (home / ".gitconfig").write_text('[url "https://ada:pass@host/"]\n\tinsteadOf = https://host/\n')
    assert await inside(settings, home, "cat ~/.gitconfig 2>&-; true") == ""


# ---------------------------------------------------------------- caches
STORED = "$PIP_CACHE_DIR $npm_config_cache $CARGO_HOME $GOPATH $UV_CACHE_DIR $GRADLE_USER_HOME"
STORE = f"for one in {STORED}; do "


async def test_what_tools_download_stays_for_the_next_run_of_the_project_only(settings, home):
    await inside(settings, home, STORE + 'mkdir -p "$one" && echo kept > "$one/thing"; done; echo $MAVEN_OPTS')
    assert await inside(settings, home, STORE + 'cat "$one/thing"; done') == "kept\n" * 6
    caches = home.parent / "data/caches"
    assert {path.name for path in (caches / "p").iterdir()} == {"pip", "npm", "cargo", "go", "uv", "gradle"}
    (home.parent / "data/projects/q").mkdir()
    other = await heard(home.parent / "data/projects/q", command="mine")
    assert "kept" not in other.text()
    said = await inside(settings, home, "echo $MAVEN_OPTS; ls -A ../.. ..")
    assert said.startswith(f"-Dmaven.repo.local={caches}/p/maven")
    assert "access_token" not in said
    assert "q" not in said.splitlines()


async def test_a_definitions_own_cache_is_used(settings, home):
    said = await inside(settings, home, "echo $PIP_CACHE_DIR $UV_CACHE_DIR", env=["PIP_CACHE_DIR=/tmp/own"])
    assert said == f"/tmp/own {home.parent}/data/caches/p/uv\n"


async def test_a_folder_that_is_no_projects_has_no_caches(settings, home, tmp_path):
    (tmp_path / "scratch").mkdir()
    settings.MISSION_CONTROL_COMMANDS = {"mine": {"argv": ["/bin/sh", "-c", "echo ${PIP_CACHE_DIR-none}"]}}
    assert (await heard(tmp_path / "scratch", command="mine")).text() == "none\n"
    assert not (tmp_path / "data/caches").exists()


@pytest.mark.django_db(transaction=True)
def test_the_caches_of_a_project_are_deleted_with_it(settings, tmp_path):
    settings.CACHES_DIR = tmp_path / "caches"
    gone, stays = Project.objects.create(title="Gone"), Project.objects.create(title="Stays")
    for project in (gone, stays):
        (tmp_path / "caches" / str(project.pk) / "go/mod").mkdir(parents=True)
        (tmp_path / "caches" / str(project.pk) / "go/mod/file").write_text("x")
    (tmp_path / "caches" / str(gone.pk) / "go/mod").chmod(0o500)  # as Go makes its modules
    projects.delete(gone)
    wait_until(lambda: len([*(tmp_path / "caches").iterdir()]) == 1, what="the caches to be deleted")
    assert [path.name for path in (tmp_path / "caches").iterdir()] == [str(stays.pk)]


# ---------------------------------------------------------------- the operator's paths
async def test_the_operators_paths_are_visible_and_writable_as_set(settings, home, tmp_path):
    for name in ("read", "write"):
        (tmp_path / "sdks" / name).mkdir(parents=True)
        (tmp_path / "sdks" / name / "file").write_text(f"{name}\n")
    read, write = tmp_path / "sdks/read", tmp_path / "sdks/write"
    settings.SANDBOX_PATHS = sandbox_paths(f" {read}, {write}:rw,")
    shell = f"cat {read}/file {write}/file; echo x 2>&- > {read}/new; echo x > {write}/new; ls {read} {write}"
    said = await inside(settings, home, shell)
    assert said == f"read\nwrite\n{read}:\nfile\n\n{write}:\nfile\nnew\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("relative/path", "must start with / or ~/"),
        ("~/x/../.ssh", "must start with / or ~/ and not contain"),
        ("~/missing", "does not exist"),
        ("~/" + "a" * 300, "cannot be read: File name too long"),
        ("/", "is too much"),
        ("/home", "is too much"),
        ("/usr:rw", "is too much"),
        ("~/", "is too much"),
        ("{home}/..", "must start with / or ~/ and not contain"),
        ("~/.ssh", "holds logins or keys"),
        ("~/.config/gh:rw", "holds logins or keys"),
        ("~/mylink", "holds logins or keys"),
        ("{data}", "files of Mission Control"),
        ("{data}/projects", "files of Mission Control"),
    ],
)
def test_a_path_that_agents_must_not_see_is_refused_at_the_start(home, text, why):
    (home / "mylink").symlink_to(".ssh")
    data = home.parent / "data"
    with pytest.raises(ValidationError, match=why):
        sandbox_paths(text.format(home=home, data=data), closed=[data])


@pytest.mark.parametrize(
    ("text", "why"),
    [("skills", "must start with"), ("~/", "is too much"), ("~/.ssh", "holds logins"), ("~/file", "not a folder")],
)
def test_a_folder_of_skills_that_shows_agents_too_much_is_refused_at_the_start(home, text, why):
    (home / "file").touch()
    (home / "skills").mkdir()
    assert skills_folder(" ~/skills ") == home / "skills"
    with pytest.raises(ValidationError, match=why):
        skills_folder(text)


def test_a_path_that_cannot_be_looked_at_does_not_stop_a_run(tmp_path):
    """As with a HOME of another user; a name that is too long is such a path for root too."""
    hidden = tmp_path / ("a" * 300)
    one = [hidden]
    mounts = isolation.Mounts(tmp_path, one, one, one, one, kept=[(hidden, hidden)], closed=one)
    assert str(hidden) not in isolation.bubblewrap_sandbox(["true"], mounts, {"HOME": str(tmp_path)}).argv
    assert toolchains.find_tools(hidden, {}) == toolchains.Tools() and not [*toolchains.secrets_of(hidden, {})]


# ---------------------------------------------------------------- what the operator is shown
@pytest.mark.django_db
def test_check_agents_shows_the_tools_folders_network_and_protection_of_agents(settings, home):
    (home / ".local/bin/deno").symlink_to("../../.deno/bin/denoed")
    settings.FIND_AGENTS = False
    settings.SANDBOX_PATHS = (SandboxPath(home / ".config", is_writable=True),)
    out = StringIO()
    call_command("check_agents", stdout=out)
    said = out.getvalue()
    assert "Programs of agents run in a sandbox (bubblewrap)" in said
    assert f"deno 1.2.3 ({home}/.local/bin/deno)" in said
    assert f"read only: {home}/.local/bin" in said
    assert f"read and write: {home}/.config" in said
    assert "network: that of this machine" in said
    assert "caches" in said


def test_the_protection_says_what_it_is_as_root_without_namespaces_and_on_a_mac(monkeypatch):
    monkeypatch.setattr(isolation, "bubblewrap_problem", lambda: None)
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    safe = protection.protection("auto")
    assert (safe.level, safe.title) == ("sandbox", "Programs of agents run in a sandbox (bubblewrap)")
    assert "root" not in safe.text
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert "The server runs as root" in protection.protection("auto").text
    monkeypatch.setattr(isolation, "bubblewrap_problem", lambda: "this container forbids user namespaces")
    none = protection.protection("auto")
    assert (none.level, none.title) == ("none", "Programs of agents are not isolated")
    assert none.text.startswith("A program runs as root")
    assert none.text.endswith("This container forbids user namespaces.")
    assert protection.protection("bubblewrap").level == "refused"
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(os, "getuid", lambda: 501)
    assert "There is no sandbox for macOS" in protection.protection("auto").text
    assert "=none says so" in protection.protection("none").text


def test_a_sandbox_that_does_not_start_names_the_likely_reason(monkeypatch, tmp_path):
    for name, text in (("clone", "0\n"), ("apparmor", "1\n"), ("max", "0\n")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(isolation, "CONTAINER_MARKS", (str(tmp_path / "none"),))
    monkeypatch.setattr(isolation, "NAMESPACE_SETTINGS", {})
    assert isolation.namespace_problem() == "does the system allow user namespaces?"
    settings = {
        str(tmp_path / "apparmor"): ("1", "AppArmor forbids it"),
        str(tmp_path / "max"): ("1", "none left"),
    }
    monkeypatch.setattr(isolation, "NAMESPACE_SETTINGS", settings)
    assert isolation.namespace_problem() == "AppArmor forbids it"
    monkeypatch.setattr(isolation, "CONTAINER_MARKS", (str(tmp_path / "max"),))
    assert "this container does not allow user namespaces" in isolation.namespace_problem()
