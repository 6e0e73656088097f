"""Properties that hold for any input. `HYPOTHESIS_PROFILE=thorough` tries thirty times as many inputs.

A failure prints its input, and a line `@reproduce_failure(…)` that repeats it.
"""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

from mission_control.models import Capacity

# Outside the checkout.
set_hypothesis_home_dir(Path(os.environ["MISSION_CONTROL_TEST_ENVIRONMENT"]) / "hypothesis")

_COMMON: dict[str, Any] = {
    "deadline": None,  # other processes work on this machine too
    "derandomize": False,
    "print_blob": True,
    "database": None,
    "suppress_health_check": [
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
}
settings.register_profile("moderate", max_examples=100, **_COMMON)
settings.register_profile("thorough", max_examples=3_000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "moderate"))


def share(part: float, **how) -> settings:
    """Return the profile with this share of its examples, for tests that cost more than plain functions."""
    return settings(max_examples=max(int(settings.default.max_examples * part), 5), **how)


@pytest.fixture
def database(transactional_db):
    """Use real transactions, with a new row for the limit."""
    Capacity.objects.update_or_create(pk=Capacity.THE_ROW, defaults={"limit": 5})
