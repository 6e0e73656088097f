"""Check the installed packages for known vulnerabilities; tell "none" from "the service is unavailable".

pip-audit checks the Python packages, and npm the libraries that pages load (`dependencies` in package.json).
Exits with 1 only for a known vulnerability. Prints a line if a service does not answer.
"""

import json
import shutil
import subprocess
import sys
from typing import Any

PATIENCE_SECONDS = 180
PIP_AUDIT = [sys.executable, "-m", "pip_audit", "--local", "--progress-spinner", "off", "--format", "json"]
NPM_AUDIT = ["npm", "audit", "--omit=dev", "--package-lock-only", "--json"]


def main() -> int:
    """Print the known vulnerabilities; return the exit status."""
    return max(python_packages(), javascript_libraries())


def python_packages() -> int:
    """Print what pip-audit finds; return 1 if that is anything."""
    tool = "pip-audit"
    try:
        result = asked(PIP_AUDIT)
        packages: list[dict[str, Any]] = json.loads(result.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return unknown(tool, "it does not answer")
    except (ValueError, KeyError):
        last = (result.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return unknown(tool, last.partition(":")[0])
    known = [package for package in packages if "skip_reason" not in package]
    if not known:
        return unknown(tool, "it knows none of the packages")
    found = [(package, flaw) for package in known for flaw in package["vulns"]]
    for package, flaw in found:
        fixed = ", ".join(flaw["fix_versions"]) or "no version yet"
        say(tool, f"{package['name']} {package['version']}: {flaw['id']}, fixed in {fixed}")
    left = f"; nothing is known of {len(packages) - len(known)} others" if len(known) < len(packages) else ""
    say(tool, f"{len(known)} packages, known vulnerabilities: {len(found)}{left}")
    return 1 if found else 0


def javascript_libraries() -> int:
    """Print what npm finds in the libraries that pages load; return 1 if that is anything."""
    tool = "npm audit"
    if shutil.which("npm") is None:
        return unknown(tool, "npm is not installed")
    try:
        answer: dict[str, Any] = json.loads(asked(NPM_AUDIT).stdout)
        flaws: dict[str, dict[str, Any]] = answer["vulnerabilities"]
        total = int(answer["metadata"]["dependencies"]["prod"])
    except subprocess.TimeoutExpired:
        return unknown(tool, "it does not answer")
    except (ValueError, KeyError):
        return unknown(tool, "it reports no result")
    for name, flaw in flaws.items():
        say(tool, f"{name} {flaw['range']}: {flaw['severity']}")
    say(tool, f"{total} packages, known vulnerabilities: {len(flaws)}")
    return 1 if flaws else 0


def asked(command: list[str]) -> "subprocess.CompletedProcess[str]":
    """Run a program and return its output."""
    return subprocess.run(  # noqa: S603 - our own command
        command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


def unknown(tool: str, why: str) -> int:
    """Print that the check was not done, which is not a failure."""
    say(tool, f"NOT DONE, the vulnerability service cannot be asked ({why})")
    return 0


def say(tool: str, line: str) -> None:
    """Print a line that begins with the tool's name."""
    sys.stdout.write(f"{tool}: {line}\n")


if __name__ == "__main__":
    sys.exit(main())
