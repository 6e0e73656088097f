"""Toolchains in the home folder of the server's user: what agents see of them in the sandbox.

Programs are visible, read-only. Logins and keys are not, even inside a toolchain's folder. What tools download is
stored in a folder of the project, so that the next run need not download it again.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from agents import folders
from agents.folders import exists, is_folder

ALIAS_BYTES = 100
MAX_LINKS = 500  # looked at in ~/.local/bin
MAX_CHOICES = 200  # versions or candidates of one toolchain


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A manager of programs.

    `variable` names its folder where it is set, otherwise it is `folder` in the home. `visible` are the parts that
    programs need, `programs` the folders with programs, which may have wildcards. If `is_passed` is set, programs
    get the variable.
    """

    variable: str
    folder: str
    visible: tuple[str, ...]
    programs: tuple[str, ...] = ()
    is_passed: bool = True


TOOLCHAINS = (
    Toolchain("", ".local", ("bin", "lib", "pipx", "opt", "share/pipx", "share/man"), ("bin",)),
    Toolchain("PYENV_ROOT", ".pyenv", ("",), ("shims", "bin")),
    Toolchain("RBENV_ROOT", ".rbenv", ("",), ("shims", "bin")),
    Toolchain("NVM_DIR", ".nvm", ("",)),
    Toolchain("FNM_DIR", ".local/share/fnm", ("",), ("aliases/default/bin",)),
    Toolchain("FNM_DIR", ".fnm", ("",), ("aliases/default/bin",), is_passed=False),
    Toolchain("VOLTA_HOME", ".volta", ("",), ("bin",)),
    Toolchain("PNPM_HOME", ".local/share/pnpm", ("",), ("",)),
    Toolchain("", ".npm-global", ("bin", "lib"), ("bin",)),
    Toolchain("CARGO_HOME", ".cargo", ("bin",), ("bin",), is_passed=False),
    Toolchain("RUSTUP_HOME", ".rustup", ("settings.toml", "toolchains")),
    Toolchain("UV_PYTHON_INSTALL_DIR", ".local/share/uv/python", ("",)),
    Toolchain("UV_TOOL_DIR", ".local/share/uv/tools", ("",)),
    Toolchain(
        "MISE_DATA_DIR", ".local/share/mise", ("installs", "plugins", "shims"), ("installs/*/latest/bin", "shims")
    ),
    Toolchain("ASDF_DATA_DIR", ".asdf", ("",), ("shims", "bin")),
    Toolchain("ASDF_DIR", ".asdf", ("",), ("bin",)),
    Toolchain("GOROOT", "sdk", ("",), ("bin", "go*/bin"), is_passed=False),
    Toolchain("GOPATH", "go", ("bin",), ("bin",), is_passed=False),
    Toolchain("DENO_INSTALL", ".deno", ("bin",), ("bin",)),
    Toolchain("BUN_INSTALL", ".bun", ("bin", "install/global"), ("bin",)),
    Toolchain("SDKMAN_DIR", ".sdkman", ("bin", "candidates", "src", "libexec"), ("candidates/*/current/bin",)),
    Toolchain("HOMEBREW_PREFIX", "/home/linuxbrew/.linuxbrew", ("",), ("bin", "sbin"), is_passed=False),
    Toolchain("JAVA_HOME", ".sdkman/candidates/java/current", ("",), ("bin",)),
)
# Which version a tool is to have. Other files of the home may contain keys.
VERSION_FILES = (".tool-versions", ".python-version", ".node-version", ".nvmrc", ".java-version", ".ruby-version")

# The settings of npm and pip for one version of Node or Python, where a login to a registry may be.
_OF_VERSIONS = (
    *(".nvm/versions/node/*/etc/npmrc", "$NVM_DIR/versions/node/*/etc/npmrc"),
    *(".volta/tools/image/node/*/etc/npmrc", "$VOLTA_HOME/tools/image/node/*/etc/npmrc"),
    *(".fnm/node-versions/*/installation/etc/npmrc", "$FNM_DIR/node-versions/*/installation/etc/npmrc"),
    *(".local/share/fnm/node-versions/*/installation/etc/npmrc", ".local/share/pnpm/nodejs/*/etc/npmrc"),
    *(".asdf/installs/*/*/etc/npmrc", "$ASDF_DATA_DIR/installs/*/*/etc/npmrc"),
    *(".asdf/installs/*/*/pip.conf", "$ASDF_DATA_DIR/installs/*/*/pip.conf"),
    *(".local/share/mise/installs/*/*/etc/npmrc", "$MISE_DATA_DIR/installs/*/*/etc/npmrc"),
    *(".local/share/mise/installs/*/*/pip.conf", "$MISE_DATA_DIR/installs/*/*/pip.conf"),
    *(".pyenv/versions/*/pip.conf", "$PYENV_ROOT/versions/*/pip.conf"),
    *(".local/share/uv/python/*/pip.conf", "$UV_PYTHON_INSTALL_DIR/*/pip.conf"),
)
# Logins, keys and other private files, below the home; `$NAME/…` is below the folder that a variable names.
SECRETS = (
    *_OF_VERSIONS,
    *(".ssh", ".gnupg", ".netrc", "_netrc", ".authinfo", ".git-credentials", ".config/git/credentials"),
    *(".password-store", ".local/share/keyrings", ".local/share/kwalletd", ".config/op", ".config/1Password"),
    *(".config/Bitwarden CLI", ".config/sops", ".vault-token", ".pki"),
    *(".docker", ".config/containers", ".local/share/containers", ".kube", ".config/helm", ".terraformrc"),
    *(".aws", ".azure", ".config/gcloud", ".oci", ".config/doctl", ".config/hcloud", ".config/scw", ".boto"),
    *(".terraform.d", ".s3cfg", ".config/rclone", ".fly", ".config/netlify", ".config/configstore"),
    *(".config/heroku", ".heroku", ".wrangler"),
    *(".config/gh", ".config/hub", ".config/glab-cli", ".config/tea", ".config/github-copilot"),
    *(".npmrc", ".yarnrc", ".yarnrc.yml", ".bunfig.toml", ".config/pnpm", ".config/yarn"),
    *(".pypirc", ".pip", ".config/pip", ".config/pypoetry", ".config/uv", ".condarc"),
    *(".local/share/uv/credentials", ".cargo/credentials", ".cargo/credentials.toml", ".cargo/config.toml"),
    *("$CARGO_HOME/credentials", "$CARGO_HOME/credentials.toml", "$CARGO_HOME/config.toml"),
    *(".gem/credentials", ".bundle/config", ".config/composer", ".composer", ".nuget/NuGet", ".config/NuGet"),
    *(".m2/settings.xml", ".m2/settings-security.xml", ".gradle/gradle.properties", ".ivy2/.credentials"),
    *(".sbt/.credentials", ".sbt/1.0", ".config/go", ".config/mise", ".config/fish", ".config/environment.d"),
    *(".huggingface", ".cache/huggingface/token", ".config/huggingface", ".pgpass", ".my.cnf", ".config/psql"),
    *(".mozilla", ".thunderbird", ".config/google-chrome", ".config/chromium", ".config/BraveSoftware"),
    *(".config/Slack", ".config/discord", ".config/Signal", ".local/share/evolution", ".config/evolution"),
    *(".bash_history", ".zsh_history", ".python_history", ".node_repl_history", ".psql_history", ".history"),
    *(".env", ".bashrc", ".bash_profile", ".profile", ".zshrc", ".zshenv", ".zprofile"),
)

# Where tools store what they download: variable → folder below the cache of the project.
CACHES = {
    "PIP_CACHE_DIR": "pip",
    "UV_CACHE_DIR": "uv",
    "POETRY_CACHE_DIR": "poetry",
    "npm_config_cache": "npm",
    "npm_config_store_dir": "pnpm",
    "YARN_CACHE_FOLDER": "yarn",
    "BUN_INSTALL_CACHE_DIR": "bun",
    "DENO_DIR": "deno",
    "CARGO_HOME": "cargo",
    "GOPATH": "go",
    "GOCACHE": "go-build",
    "GRADLE_USER_HOME": "gradle",
    "NUGET_PACKAGES": "nuget",
    "COMPOSER_CACHE_DIR": "composer",
}
MAVEN_OPTION = "-Dmaven.repo.local={}/maven"


@dataclass(frozen=True, slots=True)
class Tools:
    """What the toolchains of this machine add to a sandbox."""

    readable: tuple[Path, ...] = ()
    programs: tuple[Path, ...] = ()  # folders for PATH
    variables: Mapping[str, str] = field(default_factory=dict)


def find_tools(home: Path, variables: Mapping[str, str]) -> Tools:
    """Return the toolchains below the home, and where the server's `variables` name them."""
    readable: dict[Path, None] = {}
    programs: dict[Path, None] = {}
    passed: dict[str, str] = {}
    for toolchain in TOOLCHAINS:
        root = _root_of(toolchain, home, variables)
        if root is None:
            continue
        parts = [root / part for part in toolchain.visible]
        readable |= dict.fromkeys(part for part in parts if exists(part) and _is_narrow(part, home))
        programs |= dict.fromkeys(folder for part in toolchain.programs for folder in _folders(root, part))
        if toolchain.variable and toolchain.is_passed:
            passed.setdefault(toolchain.variable, str(root))
    programs |= dict.fromkeys(_default_node(home, variables))
    readable |= dict.fromkeys(path for name in VERSION_FILES if exists(path := home / name))
    readable |= dict.fromkeys(_targets_of_links(home))
    return Tools(tuple(readable), tuple(programs), passed)


def secrets_of(home: Path, variables: Mapping[str, str]) -> Iterator[Path]:
    """Yield the paths with logins and keys that exist."""
    for name in SECRETS:
        start, _, rest = name.partition("/")
        if not start.startswith("$"):
            root, rest = home, name
        elif folder := variables.get(start[1:], "").strip():
            root = Path(folder)
        else:
            continue
        if root.is_absolute():
            yield from filter(exists, _matching(root, rest))


def cache_variables(cache: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with which tools store their downloads below the folder."""
    options = " ".join(filter(None, [variables.get("MAVEN_OPTS", ""), MAVEN_OPTION.format(cache)]))
    return {
        **{variable: str(cache / folder) for variable, folder in CACHES.items()},
        "MAVEN_OPTS": options,
        "UV_LINK_MODE": "copy",  # a link across two mounts is not possible, about which uv warns each time
    }


def _root_of(toolchain: Toolchain, home: Path, variables: Mapping[str, str]) -> Path | None:
    """Return the toolchain's folder if it exists and is not the home or above it."""
    named = variables.get(toolchain.variable, "").strip() if toolchain.variable else ""
    root = Path(named) if named else home / toolchain.folder
    return root if root.is_absolute() and is_folder(root) and _is_narrow(root, home) else None


def _is_narrow(path: Path, home: Path) -> bool:
    """Return whether the path, with its links resolved, is neither the home nor above it."""
    return not home.resolve().is_relative_to(path.resolve())


def _folders(root: Path, pattern: str) -> Iterable[Path]:
    return [folder for folder in _matching(root, pattern) if is_folder(folder)]


def _matching(root: Path, pattern: str) -> Iterable[Path]:
    """Return the paths below the root that match, if the pattern has wildcards; else the one that it names."""
    if "*" not in pattern:
        return [root / pattern]
    with suppress(OSError):  # such as a home in a folder of another user
        return sorted(islice(root.glob(pattern), MAX_CHOICES))
    return []


def _default_node(home: Path, variables: Mapping[str, str]) -> Iterator[Path]:
    """Yield the folder of nvm's default version of node, or of its newest; nvm sets PATH in a shell only."""
    root = Path(variables.get("NVM_DIR", "").strip() or home / ".nvm")
    versions = {_numbers(path.name): path for path in _folders(root, "versions/node/v*")}
    try:
        alias = folders.read_file(root / "alias/default", ALIAS_BYTES)
        wanted = alias.decode(errors="replace").strip().removeprefix("v")
    except OSError:
        wanted = ""
    fitting = [number for number in versions if wanted and f"{_dotted(number)}.".startswith(f"{wanted}.")]
    if versions:
        yield versions[max(fitting or versions)] / "bin"


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.removeprefix("v").split(".") if part.isdecimal())


def _dotted(number: tuple[int, ...]) -> str:
    return ".".join(map(str, number))


def _targets_of_links(home: Path) -> Iterator[Path]:
    """Yield the folders below ~/.local/share with the programs to which ~/.local/bin has links."""
    share = (home / ".local/share").resolve()
    try:
        links = [path for path in islice((home / ".local/bin").iterdir(), MAX_LINKS) if path.is_symlink()]
    except OSError:
        return
    for link in filter(exists, links):
        folder = link.resolve().parent
        folder = folder.parent if folder.name == "bin" else folder
        if folder.is_relative_to(share) and folder != share and is_folder(folder):
            yield folder
