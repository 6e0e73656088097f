import re
import subprocess
import sys
from pathlib import Path

import pytest

from agents.backends import registry
from tests.agents.follow import follow

LOGINS = {  # the reported reason when the login is missing; for Claude see its own tests
    "openai_agents": "OpenAI needs OPENAI_API_KEY in the environment",
    "google_adk": "Google needs GOOGLE_API_KEY or GEMINI_API_KEY in the environment",
}
PROGRAMS = ["command", "acp", "codex_cli", "opencode", "copilot_sdk"]  # available when the operator allows one


def described(name: str) -> dict:
    return next(entry for entry in registry.describe() if entry["name"] == name)


def test_every_backend_of_the_contract_is_known_and_answers_to_its_name():
    assert set(registry.names()) == {"demo", "pydantic_ai", "claude_agent_sdk", *LOGINS, *PROGRAMS}
    assert all(registry.get(name).name == name for name in registry.names())


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(registry.UnknownBackend, match=r"Unknown backend `gpt`. Available: demo, pydantic_ai"):
        registry.get("gpt")


def test_demo_alone_can_run_on_a_fresh_installation_and_pydantic_ai_with_the_first_key(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))  # hide the logins of the user who runs the tests
    available = {entry["name"] for entry in registry.describe() if entry["available"]}
    assert available == {"demo"}
    assert described("pydantic_ai")["reason"].startswith("Set the key of a provider")
    local = {"model": "llama3.2", "base_url": "http://127.0.0.1:11434/v1"}
    assert registry.missing_for("pydantic_ai", local) is None
    monkeypatch.setenv("MISTRAL_API_KEY", "mistral-key")
    assert described("pydantic_ai")["available"]


@pytest.mark.parametrize("name", LOGINS)
async def test_a_backend_that_needs_a_key_says_so_in_the_list_and_in_the_run(name):
    entry = described(name)
    assert entry["available"] is False
    assert entry["reason"] == LOGINS[name]
    seen = await follow(registry.get(name)(), "work", {"model": "any"})
    assert (seen.events, seen.error) == ([], entry["reason"])


def test_a_description_has_what_the_contract_names():
    assert set(described("demo")) == {
        "name",
        "display_name",
        "available",
        "reason",
        "capabilities",
        "options_schema",
    }
    assert described("demo")["reason"] is None
    assert described("demo")["options_schema"]["additionalProperties"] is False


async def test_a_third_party_adds_a_backend_with_a_name_and_a_dotted_path(settings):
    settings.MISSION_CONTROL_BACKENDS = {"echo": "tests.agents.third_party.Echo"}
    assert described("echo")["available"] is True
    seen = await follow(registry.get("echo")(), "hear, hear", {"voice": "low"})
    assert seen.text() == "hear, hear"


def test_a_third_party_may_serve_one_of_our_names(settings):
    settings.MISSION_CONTROL_BACKENDS = {"command": "tests.agents.third_party.Echo"}
    assert described("command")["display_name"] == "Echo"
    assert registry.names().count("command") == 1


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise OSError('no licence in /srv/backend/licence.txt')", "OSError: no licence in [path]"),
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("Broken = 3", "is not a subclass of Backend"),
        ("def", "SyntaxError"),
        ("", "AttributeError"),
    ],
)
def test_a_backend_that_does_not_import_is_listed_with_a_reason_that_holds_no_path(
    settings, tmp_path, monkeypatch, source, reason
):
    (tmp_path / "broken_backend.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_backend", raising=False)
    settings.MISSION_CONTROL_BACKENDS = {"broken": "broken_backend.Broken"}
    entry = described("broken")
    assert entry["available"] is False
    assert reason in entry["reason"]
    assert str(tmp_path) not in entry["reason"]
    assert "/srv" not in entry["reason"]
    with pytest.raises(registry.BrokenBackend):
        registry.get("broken")
    registry.check_options("broken", {"anything": 1})  # an agent can be created before the package is installed


def test_a_backend_that_cannot_say_what_it_misses_does_not_break_the_list(settings):
    settings.MISSION_CONTROL_BACKENDS = {"forgetful": "tests.agents.third_party.Forgetful"}
    entry = described("forgetful")
    assert entry["available"] is False
    assert "could not read [path]" in entry["reason"]


async def test_the_example_in_the_documentation_is_a_backend_that_works(settings, tmp_path, monkeypatch):
    page = Path(settings.BASE_DIR, "docs/backends.md").read_text()
    (tmp_path / "shouting").mkdir()
    (tmp_path / "shouting/backend.py").write_text(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1])
    monkeypatch.syspath_prepend(tmp_path)
    settings.MISSION_CONTROL_BACKENDS = {"shout": "shouting.backend.Shout"}
    registry.check_options("shout", {"times": 2})
    seen = await follow(registry.get("shout")(), "hey", {"times": 2})
    assert (seen.text(), seen.usage.model) == ("HEY\nHEY\n", "lungs")


def test_listing_the_backends_imports_no_sdk():
    code = (
        "import sys; from django.conf import settings; settings.configure(MISSION_CONTROL_BACKENDS={});"
        "from agents.backends import registry; registry.describe(); registry.check_options('pydantic_ai', {});"
        "print([m for m in ('openai', 'anthropic', 'pydantic_ai', 'pydantic', 'httpx2') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (result.stdout.strip(), result.stderr) == ("[]", "")


def test_a_third_party_that_cannot_say_what_it_misses_breaks_no_page(settings):
    settings.MISSION_CONTROL_BACKENDS = {"forgetful": "tests.agents.third_party.Forgetful"}
    assert "failed to report what is missing: RuntimeError" in registry.missing_for("forgetful", {})
    assert registry.missing_for("nobody", {}).startswith("Unknown backend `nobody`")
