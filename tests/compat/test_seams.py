"""Private, undocumented and unstable interfaces of dependencies are used in one module each, and nowhere else."""

import ast
import re

from tests.product import CHECKOUT

COMPAT = "mission_control/compat/"
# What is used (a module, a module's name, or an attribute) → where it may be.
SEAMS = {
    r"django_q\b.*": f"{COMPAT}django_q(_cluster)?.py",
}


def uses(path):
    """Yield each import, as `module` or `module.name`, and each attribute, as `.name`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield f".{node.attr}"


def test_private_and_unstable_interfaces_are_used_in_their_seam_alone():
    elsewhere = []
    for folder in ("agents", "mission_control", "pocketpaw_site"):
        for path in sorted((CHECKOUT / folder).rglob("*.py")):
            name = str(path.relative_to(CHECKOUT))
            for used in uses(path):
                elsewhere += [
                    f"{name} uses {used}: use {place}"
                    for pattern, place in SEAMS.items()
                    if re.fullmatch(pattern, used) and not re.fullmatch(place, name) and "/migrations/" not in name
                ]
    assert elsewhere == []
