"""`python -m agents.backends.claude`: install the SDK and show the progress on the terminal."""

import argparse
import sys
from collections.abc import Sequence

from agents.backends.claude.installer import (
    InstallFailed,
    TerminalProgress,
    install,
    is_current,
    is_missing,
    needs_cli,
)

INSTALLED = "Anthropic's SDK for Claude is installed."


def main(arguments: Sequence[str]) -> int:
    """Install what is missing or has another version; return the exit status."""
    parser = argparse.ArgumentParser(description="Install Anthropic's SDK for Claude.")
    parser.add_argument("--if-claude-is-there", action="store_true", help="do nothing unless `claude` is in PATH")
    is_automatic, with_cli = parser.parse_args(arguments).if_claude_is_there, needs_cli()
    if is_automatic and (with_cli or is_current()):
        return 0
    size = "with the CLI, about 390 MB" if with_cli else "1 MB, for the `claude` that is installed"
    if is_missing():
        sys.stdout.write(f"Installing Anthropic's SDK for Claude ({size}).\n")
    with TerminalProgress(sys.stdout) as report:
        try:
            install(report, with_cli=with_cli)
        except InstallFailed as failure:
            report.end()
            sys.stderr.write(f"mission-control: the SDK for Claude is not installed. {failure}\n")
            return 1
    sys.stdout.write(f"{INSTALLED}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
