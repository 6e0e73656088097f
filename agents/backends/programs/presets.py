"""How known command-line agents are called without a terminal, and what they need.

docs/backends/command.md lists the versions that the presets were written for. An operator can set everything in a
preset differently.
"""

from dataclasses import dataclass, field, replace

from agents.backends.programs.sessions import (
    CLAUDES_SESSIONS,
    CODEXS_SESSIONS,
    COPILOTS_SESSIONS,
    GEMINIS_SESSIONS,
    OPENCODES_SESSIONS,
    QWENS_SESSIONS,
    Sessions,
)


@dataclass(frozen=True, slots=True)
class LoginCheck:
    """The evidence that a program is logged in: a variable, or a file, with a match for its `words` if given."""

    variables: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    words: dict[str, str] = field(default_factory=dict)  # file name → the pattern that the file must match
    status: tuple[str, ...] = ()  # arguments with which the program exits with 0 if it is logged in
    advice: str = ""


@dataclass(frozen=True, slots=True)
class AcpMode:
    """How a program is started as an agent of the Agent Client Protocol, and what is peculiar to it there.

    `logins` are login methods that need no person, each with the variable that it reads.
    `provider` is whose prices apply if it reports no cost; empty if its models are named `provider/model`.
    """

    argv: tuple[str, ...] = ()
    model_option: str = ""  # empty: the model is set in the session
    logins: tuple[tuple[str, str], ...] = ()
    reads_files_here: bool = True  # it copes with our answers about files; else it uses its own access
    provider: str = ""


@dataclass(frozen=True, slots=True)
class Preset:
    """A known program.

    A path may start with `$NAME`, a variable of the program's environment. `scratch` are the program's folders; in
    a sandbox they are empty at the start of each run, so that no run influences the next one. Only these of their
    files are there: `readable` (the configuration), `copied` (files that the program writes, but must not change
    for others) and `writable` (the login).
    """

    title: str = ""
    argv: tuple[str, ...] = ()
    argv_sandboxed: tuple[str, ...] = ()  # in our sandbox, if it differs
    format: str = "text"
    acp: AcpMode | None = None
    model_option: str = ""
    mcp: str = ""  # the form in which it reads MCP servers, see agents/backends/mcp_servers/forms.py
    # What it reads in the working folder by itself: AGENTS.md, CLAUDE.md, skills; and arguments and variables with
    # which it leaves out the first two.
    reads: tuple[str, ...] = ()
    silent_words: tuple[str, ...] = ()
    silent_env: tuple[str, ...] = ()
    models: tuple[str, ...] = ()  # that agents may choose if a superuser allowed the program on the page
    env: tuple[str, ...] = ()
    login: LoginCheck | None = None
    sessions: Sessions | None = None
    scratch: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    install: str = ""


def _within(folders: tuple[str, ...], *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for folder in folders for name in names)


_CLAUDE = ("~/.claude", "$CLAUDE_CONFIG_DIR")
_CODEX = ("~/.codex", "$CODEX_HOME")
_GEMINI = ("~/.gemini",)
_OPENCODE = ("~/.local/share/opencode", "~/.local/state/opencode", "~/.cache/opencode")
_OPENCODE_CONFIGURATION = (
    *("opencode.json", "opencode.jsonc", "config.json", "AGENTS.md", "agent", "agents", "command", "commands"),
    *("mode", "modes", "plugin", "plugins", "skill", "skills", "tool", "tools", "themes"),
    *("node_modules", "package.json", "package-lock.json", "bun.lock"),
)
_QWEN = ("~/.qwen", "$QWEN_HOME")
_QWEN_KEYS = ("OPENAI_API_KEY", "DASHSCOPE_API_KEY", "BAILIAN_CODING_PLAN_API_KEY")
_COPILOT = ("~/.copilot", "$COPILOT_HOME")
_CODEX_EXEC = ("codex", "exec", "--json", "--skip-git-repo-check", "--color", "never", "--sandbox")
_OPENCODE_KEYS = (
    *("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"),
    *("OPENROUTER_API_KEY", "GROQ_API_KEY", "MISTRAL_API_KEY", "OPENCODE_API_KEY"),
)
CLAUDES_LOGIN = LoginCheck(
    variables=(
        *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"),
        *("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"),
    ),
    files=_within(_CLAUDE, ".credentials.json", "settings.json"),
    words={".credentials.json": r'"(?:access|refresh)Token"\s*:\s*"[^"]', "settings.json": "apiKeyHelper"},
    status=("auth", "status"),
    advice="Set ANTHROPIC_API_KEY in the environment of the worker, or log in there with `claude`",
)
CLAUDES_MODELS = ("sonnet", "opus", "haiku")  # each an alias of its newest version

PRESETS = {
    # Edits of files in the working folder are accepted; anything else that needs a user's consent is refused.
    "claude": Preset(
        title="Claude Code",
        argv=(
            *("claude", "-p", "--output-format", "stream-json", "--verbose", "--include-partial-messages"),
            *("--permission-mode", "acceptEdits"),
        ),
        format="claude",
        model_option="--model",
        mcp="claude",
        reads=("CLAUDE.md",),
        silent_words=("--setting-sources=user",),
        models=CLAUDES_MODELS,
        env=(
            *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "CLAUDE_CODE_OAUTH_TOKEN"),
            *("CLAUDE_CONFIG_DIR", "DISABLE_AUTOUPDATER=1", "CLAUDE_CODE_MAX_RETRIES=3"),
        ),
        login=CLAUDES_LOGIN,
        sessions=CLAUDES_SESSIONS,
        scratch=_CLAUDE,
        readable=_within(
            _CLAUDE,
            *("settings.json", "CLAUDE.md", "agents", "commands", "skills", "plugins", "hooks"),
            *("output-styles", "rules", "keybindings.json"),
        ),
        copied=("~/.claude.json", *_within(_CLAUDE[1:], ".claude.json")),
        writable=_within(_CLAUDE, ".credentials.json"),
        install="npm install -g @anthropic-ai/claude-code",
    ),
    "codex": Preset(
        title="Codex CLI",
        argv=(*_CODEX_EXEC, "workspace-write", "-"),
        # Its own sandbox does not start within ours, at least as root; then it silently runs nothing.
        argv_sandboxed=(*_CODEX_EXEC, "danger-full-access", "-"),
        format="codex",
        model_option="--model",
        mcp="codex",
        reads=("AGENTS.md", "skills"),
        silent_words=("-c", "project_doc_max_bytes=0"),
        env=("CODEX_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "CODEX_HOME"),
        login=LoginCheck(
            variables=("CODEX_API_KEY",),
            files=_within(_CODEX, "auth.json", "config.toml"),
            words={
                "auth.json": r'"(?:OPENAI_API_KEY|\w+_token)"\s*:\s*"[^"]',
                "config.toml": r"(?m)^\s*(?:model_provider|oss_provider|cli_auth_credentials_store)\s*=",
            },
            status=("login", "status"),
            advice="Set CODEX_API_KEY in the environment of the worker, or log in there with `codex login`",
        ),
        sessions=CODEXS_SESSIONS,
        scratch=_CODEX,
        readable=_within(
            _CODEX, "config.toml", "AGENTS.md", "AGENTS.override.md", "prompts", "rules", "hooks.json"
        ),
        copied=_within(_CODEX, "skills", "installation_id"),
        writable=_within(_CODEX, "auth.json", ".credentials.json"),
        install="npm install -g @openai/codex",
    ),
    "gemini": Preset(
        title="Gemini CLI",
        argv=("gemini", "--output-format", "stream-json", "--approval-mode", "auto_edit"),
        format="gemini",
        # It takes our answer that a file does not exist for a failure, and then cannot create one.
        acp=AcpMode(
            argv=("gemini", "--acp"),
            model_option="--model",
            logins=(("gemini-api-key", "GEMINI_API_KEY"), ("vertex-ai", "GOOGLE_GENAI_USE_VERTEXAI")),
            reads_files_here=False,
            provider="google",
        ),
        model_option="--model",
        mcp="gemini",
        reads=("skills",),
        env=(
            *("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION"),
            *("GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GEMINI_BASE_URL", "GEMINI_CLI_TRUST_WORKSPACE=true"),
        ),
        login=LoginCheck(
            variables=("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI"),
            files=_within(_GEMINI, "oauth_creds.json", "gemini-credentials.json", ".env"),
            words={
                "oauth_creds.json": r'"(?:access|refresh)_token"\s*:\s*"[^"]',
                ".env": r"(?m)^\s*(?:export\s+)?(?:GEMINI_API_KEY|GOOGLE_API_KEY|GOOGLE_GENAI_USE\w+)\s*=\s*\S",
            },
            advice="Set GEMINI_API_KEY in the environment of the worker, or log in there with `gemini`",
        ),
        sessions=GEMINIS_SESSIONS,
        scratch=_GEMINI,
        readable=_within(_GEMINI, "GEMINI.md", ".env", "extensions", "commands", "skills", "agents", "policies"),
        copied=_within(_GEMINI, "settings.json", "trustedFolders.json", "installation_id"),
        writable=_within(_GEMINI, "oauth_creds.json", "gemini-credentials.json", "google_accounts.json"),
        install="npm install -g @google/gemini-cli",
    ),
    "opencode": Preset(
        title="OpenCode",
        argv=("opencode", "run", "--format", "json"),
        format="opencode",
        acp=AcpMode(argv=("opencode", "acp")),
        model_option="--model",
        mcp="opencode",
        reads=("AGENTS.md", "skills"),
        silent_env=("OPENCODE_DISABLE_PROJECT_CONFIG=1", "OPENCODE_DISABLE_CLAUDE_CODE_PROMPT=1"),
        env=(*_OPENCODE_KEYS, "OPENCODE_CONFIG", "OPENCODE_DISABLE_AUTOUPDATE=1"),
        login=LoginCheck(
            variables=(*_OPENCODE_KEYS, "OPENCODE_CONFIG"),
            files=(
                *_within(_OPENCODE[:1], "auth.json"),
                *_within(("~/.config/opencode",), "opencode.json", "opencode.jsonc", "config.json"),
            ),
            words={"auth.json": r'"type"\s*:\s*"[^"]'},
            advice="Set a provider's key in the worker's environment, or log in there with `opencode auth login`",
        ),
        sessions=OPENCODES_SESSIONS,
        # It writes into the folder of its configuration, and fails if it may not.
        scratch=(*_OPENCODE, "~/.config/opencode"),
        readable=(
            *_within(("~/.config/opencode",), *_OPENCODE_CONFIGURATION),
            *("$OPENCODE_CONFIG", "~/.local/share/opencode/bin"),
            *_within(_OPENCODE[2:], "bin", "node_modules", "package.json", "bun.lock", "packages"),
        ),
        # An entry of type `wellknown` in auth.json names a server whose configuration every run would follow.
        copied=(*_within(_OPENCODE[:1], "auth.json"), *_within(_OPENCODE[2:], "models.json", "version")),
        writable=_within(_OPENCODE[:1], "mcp-auth.json"),
        install="npm install -g opencode-ai",
    ),
    "copilot": Preset(
        title="GitHub Copilot CLI",
        argv=(
            *("copilot", "--output-format", "json", "--stream", "on", "--no-color", "--no-ask-user"),
            *("--no-auto-update", "--allow-tool=write"),
        ),
        format="copilot",
        model_option="--model",
        mcp="copilot",
        reads=("AGENTS.md", "CLAUDE.md", "skills"),
        silent_words=("--no-custom-instructions",),
        env=(
            *("COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"),
            *("COPILOT_HOME", "COPILOT_MODEL", "COPILOT_OFFLINE"),
            *("COPILOT_PROVIDER_BASE_URL", "COPILOT_PROVIDER_TYPE", "COPILOT_PROVIDER_API_KEY"),
        ),
        login=LoginCheck(
            variables=("COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN", "COPILOT_PROVIDER_BASE_URL"),
            files=_within(_COPILOT, "config.json"),
            words={"config.json": r"(?i)\"logged_?in_?users\"\s*:\s*\[\s*[^\]\s]"},
            advice="Set COPILOT_GITHUB_TOKEN in the environment of the worker, or log in there with `copilot`",
        ),
        sessions=COPILOTS_SESSIONS,
        scratch=(*_COPILOT, "~/.cache/copilot"),
        readable=(
            *_within(_COPILOT, "mcp-config.json", "agents", "skills", "hooks", "copilot-instructions.md"),
            *_within(_COPILOT, "installed-plugins", "settings.json", "pkg"),
            "~/.cache/copilot/pkg",
        ),
        copied=_within(_COPILOT, "config.json", "permissions-config.json"),
        install="npm install -g @github/copilot",
    ),
    "qwen": Preset(
        title="Qwen Code",
        argv=(
            *("qwen", "--output-format", "stream-json", "--include-partial-messages"),
            *("--approval-mode", "auto-edit"),
        ),
        format="qwen",
        model_option="--model",
        mcp="qwen",
        reads=("AGENTS.md", "skills"),
        env=(
            *_QWEN_KEYS,
            *("OPENAI_BASE_URL", "OPENAI_MODEL", "QWEN_MODEL", "DASHSCOPE_BASE_URL", "QWEN_HOME"),
        ),
        login=LoginCheck(
            variables=_QWEN_KEYS,
            files=_within(_QWEN, "oauth_creds.json", "settings.json", ".env"),
            words={
                "oauth_creds.json": r'"(?:access|refresh)_token"\s*:\s*"[^"]',
                "settings.json": r'"(?:selectedType|apiKey|[A-Z_]*_API_KEY)"\s*:\s*"[^"]',
                ".env": r"(?m)^\s*(?:export\s+)?[A-Z_]*_API_KEY\s*=\s*\S",
            },
            advice="Set OPENAI_API_KEY in the environment of the worker, or log in there with `qwen`",
        ),
        sessions=QWENS_SESSIONS,
        scratch=_QWEN,
        readable=_within(_QWEN, "QWEN.md", ".env", "extensions", "commands", "skills", "agents", "rules"),
        copied=_within(_QWEN, "settings.json", "trustedFolders.json", "installation_id"),
        writable=_within(_QWEN, "oauth_creds.json"),
        install="npm install -g @qwen-code/qwen-code",
    ),
}

# Adapters, which make Claude Code and Codex speak the Agent Client Protocol.
PRESETS["claude-agent-acp"] = replace(
    PRESETS["claude"],
    title="Claude Code (ACP)",
    argv=("claude-agent-acp",),
    format="acp",
    acp=AcpMode(provider="anthropic"),
    model_option="",
    models=(),
    install="npm install -g @agentclientprotocol/claude-agent-acp",
)
PRESETS["codex-acp"] = replace(
    PRESETS["codex"],
    title="Codex (ACP)",
    argv=("codex-acp",),
    argv_sandboxed=(),
    sessions=replace(CODEXS_SESSIONS, replaces=""),
    format="acp",
    acp=AcpMode(
        logins=(("codex-api-key", "CODEX_API_KEY"), ("openai-api-key", "OPENAI_API_KEY")), provider="openai"
    ),
    model_option="",
    install="npm install -g @agentclientprotocol/codex-acp",
)

# Variables that every program gets if the server has them.
COMMON_ENV = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
    *("TERM=dumb", "NO_COLOR=1"),
)
