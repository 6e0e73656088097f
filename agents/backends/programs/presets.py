"""How the known command-line agents are called without a person before them, and what they need.

Versions that these were made from: docs/backends/command.md. A preset says nothing that an operator cannot say
otherwise in the settings.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preset:
    """A program that is known. A path may be `$NAME`: what the program's environment has there, if anything."""

    title: str = ""
    argv: tuple[str, ...] = ()
    format: str = "text"
    model_option: str = ""
    env: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    install: str = ""


PRESETS = {
    # Edits of files in the working folder are accepted, what else would need a person's consent is refused.
    "claude": Preset(
        title="Claude Code",
        argv=(
            *("claude", "-p", "--output-format", "stream-json", "--verbose", "--include-partial-messages"),
            *("--permission-mode", "acceptEdits"),
        ),
        format="claude",
        model_option="--model",
        env=(
            *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "CLAUDE_CODE_OAUTH_TOKEN"),
            *("CLAUDE_CONFIG_DIR", "DISABLE_AUTOUPDATER=1"),
        ),
        writable=("~/.claude", "~/.claude.json", "$CLAUDE_CONFIG_DIR"),
        install="npm install -g @anthropic-ai/claude-code",
    ),
    "codex": Preset(
        title="Codex CLI",
        argv=(
            *("codex", "exec", "--json", "--skip-git-repo-check", "--color", "never"),
            *("--sandbox", "workspace-write", "-"),
        ),
        format="codex",
        model_option="--model",
        env=("CODEX_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "CODEX_HOME"),
        writable=("~/.codex", "$CODEX_HOME"),
        install="npm install -g @openai/codex",
    ),
    "gemini": Preset(
        title="Gemini CLI",
        argv=("gemini", "--output-format", "stream-json", "--approval-mode", "auto_edit"),
        format="gemini",
        model_option="--model",
        env=(
            *("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION"),
            *("GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GEMINI_BASE_URL", "GEMINI_CLI_TRUST_WORKSPACE=true"),
        ),
        writable=("~/.gemini",),
        install="npm install -g @google/gemini-cli",
    ),
    "opencode": Preset(
        title="OpenCode",
        argv=("opencode", "run", "--format", "json"),
        format="opencode",
        model_option="--model",
        env=(
            *("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"),
            *("OPENROUTER_API_KEY", "GROQ_API_KEY", "MISTRAL_API_KEY", "OPENCODE_API_KEY", "OPENCODE_CONFIG"),
            "OPENCODE_DISABLE_AUTOUPDATE=1",
        ),
        readable=("~/.config/opencode", "$OPENCODE_CONFIG"),
        writable=("~/.local/share/opencode", "~/.local/state/opencode", "~/.cache/opencode"),
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
        env=(
            *(
                "COPILOT_GITHUB_TOKEN",
                "GH_TOKEN",
                "GITHUB_TOKEN",
                "COPILOT_HOME",
                "COPILOT_MODEL",
                "COPILOT_OFFLINE",
            ),
            *("COPILOT_PROVIDER_BASE_URL", "COPILOT_PROVIDER_TYPE", "COPILOT_PROVIDER_API_KEY"),
        ),
        writable=("~/.copilot", "~/.cache/copilot", "$COPILOT_HOME"),
        install="npm install -g @github/copilot",
    ),
}

# What every program gets, where the server has it.
COMMON_ENV = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
    *("TERM=dumb", "NO_COLOR=1"),
)
COMMON_READABLE = ("~/.gitconfig",)
