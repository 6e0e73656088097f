"""Find the providers of language models whose keys are in the environment."""

from agents.backends.pydantic_ai.endpoints import PROVIDERS, SUGGESTED_MODELS, key_variable
from agents.discovery.findings import Finding, Kind, State


def find_keys() -> list[Finding]:
    """Return one finding for each provider with a key."""
    return [
        Finding(
            key=f"key-{name}",
            kind=Kind.KEY,
            title=f"{PROVIDERS[name].title} key",
            state=State.READY,
            detail=key_variable(name),
            models=models,
            backend="pydantic_ai",
            options={"model": f"{name}:{models[0]}"},
            model_prefix=f"{name}:",
        )
        for name, models in SUGGESTED_MODELS.items()
        if key_variable(name)
    ]
