"""Each private, undocumented or unstable interface of a dependency is used in one module only."""

import ast
import enum
import importlib
import inspect
import pkgutil
import re

from tests.product import CHECKOUT

COMPAT = "mission_control/compat/"
# What is used (a module, a module's name, or an attribute) → the module that may use it.
SEAMS = {
    r"django_q\b.*": f"{COMPAT}django_q(_cluster)?.py",
    r"django\.core\.handlers\b.*|asgiref\.sync\.SyncToAsync": f"{COMPAT}django_asgi.py",
    r"\.(run_on_commit|save_base)": f"{COMPAT}django_models.py",
    r"django\.db\.backends\.postgresql\b.*|psycopg_pool\b.*": "pocketpaw_site/postgresql/.*",
    r"rest_framework\.utils\.html|\.(initialize_request|initial_data)": f"{COMPAT}rest_framework.py",
    r"autobahn\b.*": rf"{COMPAT}channels\.py|pocketpaw_site/web_server\.py",
    r"knox\.crypto\b.*": f"{COMPAT}knox.py",
    r"axes\b.*": "pocketpaw_site/authentication.py",
    r"(daphne|twisted)\b.*": "pocketpaw_site/web_server.py",
    r"drf_spectacular\.(contrib|drainage|extensions|openapi|plumbing)\b.*": "mission_control/api/schema.py",
    r"claude_agent_sdk\b.*": "agents/backends/claude/conversation.py",
    r"(pydantic_ai|openai)\b.*": "agents/backends/pydantic_ai/.*",
    r"httpx2\b.*": r"agents/backends/(pydantic_ai/.*|mcp_servers/client\.py)|agents/discovery/model_servers\.py",
    r"genai_prices\b.*": "agents/prices.py",
    r"\.modules": "nowhere",  # `sys.modules`
}


OURS = ("agents", "mission_control", "pocketpaw_site")
OVERRIDES_PRIVATE_METHODS = {
    "mission_control.api.schema",
    "mission_control.compat.django_asgi",
    "pocketpaw_site.sqlite.base",
    "pocketpaw_site.web_server",
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
    for folder in OURS:
        for path in sorted((CHECKOUT / folder).rglob("*.py")):
            name = str(path.relative_to(CHECKOUT))
            for used in uses(path):
                elsewhere += [
                    f"{name} uses {used}: use {place}"
                    for pattern, place in SEAMS.items()
                    if re.fullmatch(pattern, used) and not re.fullmatch(place, name) and "/migrations/" not in name
                ]
    assert elsewhere == []


def own_classes():
    """Yield every class that our modules define, except enums, whose private machinery is their own."""
    for package in OURS:
        for module in pkgutil.walk_packages([str(CHECKOUT / package)], f"{package}."):
            if ".migrations" in module.name:
                continue
            for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if found.__module__ == module.name and not issubclass(found, enum.Enum):
                    yield found


def test_private_methods_of_dependencies_are_overridden_in_seams_alone():
    elsewhere = [
        f"{one.__module__}.{one.__name__} overrides {base.__module__}.{base.__name__}.{name}"
        for one in own_classes()
        if one.__module__ not in OVERRIDES_PRIVATE_METHODS
        for base in one.__mro__
        if not base.__module__.startswith(OURS)
        for name, own in vars(one).items()
        if re.match(r"_[^_]", name) and inspect.isfunction(own) and name in vars(base)
    ]
    assert elsewhere == []
