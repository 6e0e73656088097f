"""Check the installed packages for known vulnerabilities; tell "none" from "the service is unavailable".

Exits with 1 only for a known vulnerability. Prints a line if the service does not answer.
"""

import json
import subprocess
import sys
from typing import Any

PATIENCE_SECONDS = 180
COMMAND = [sys.executable, "-m", "pip_audit", "--local", "--progress-spinner", "off", "--format", "json"]


def main() -> int:
    """Print the known vulnerabilities; return the exit status."""
    try:
        result = subprocess.run(  # noqa: S603 - our own command
            COMMAND, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
        packages: list[dict[str, Any]] = json.loads(result.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return unknown("it does not answer")
    except (ValueError, KeyError):
        return unknown((result.stderr.strip().splitlines() or ["it said nothing"])[-1].partition(":")[0])
    asked = [package for package in packages if "skip_reason" not in package]
    if not asked:
        return unknown("it knows none of the packages")
    found = [(package, flaw) for package in asked for flaw in package["vulns"]]
    for package, flaw in found:
        mended = ", ".join(flaw["fix_versions"]) or "no version yet"
        say(f"{package['name']} {package['version']}: {flaw['id']}, mended in {mended}")
    left = f"; nothing is known of {len(packages) - len(asked)} others" if len(asked) < len(packages) else ""
    say(f"{len(asked)} packages, known vulnerabilities: {len(found)}{left}")
    return 1 if found else 0


def unknown(why: str) -> int:
    """Print that the check was not done, which is not a failure."""
    say(f"NOT DONE, the vulnerability service cannot be asked ({why})")
    return 0


def say(line: str) -> None:
    """Print a line that begins with the tool's name."""
    sys.stdout.write(f"pip-audit: {line}\n")


if __name__ == "__main__":
    sys.exit(main())
