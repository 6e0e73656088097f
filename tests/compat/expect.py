"""Report in one line what an upgrade of a dependency has changed."""

import inspect
from importlib.metadata import version
from typing import Any


def expect_parameters(package: str, function: Any, names: list[str], seam: str) -> None:
    """Fail unless the function takes exactly these parameters."""
    found = list(inspect.signature(function).parameters)
    assert found == names, changed(package, seam, f"{function.__qualname__} takes {found}, not {names}")


def expect_attributes(package: str, owner: Any, names: list[str], seam: str) -> None:
    missing = [name for name in names if not hasattr(owner, name)]
    assert missing == [], changed(package, seam, f"{owner!r} has no {', '.join(missing)}")


def changed(package: str, seam: str, what: str) -> str:
    return f"{package} {version(package)} has changed what {seam} uses: {what}"
