"""A hundred of the requests that `python -m tests.fuzz` sends."""

import os
import random

import pytest

from tests.conftest import environment_of, running
from tests.fuzz import HARMLESS, fuzz

pytestmark = [pytest.mark.system, pytest.mark.exhaustive]


def test_the_schema_is_true_of_whatever_is_sent(tmp_path_factory, profile):
    seed = int(os.environ.get("MISSION_CONTROL_TEST_SEED") or random.SystemRandom().randrange(2**32))
    with running(tmp_path_factory.mktemp("fuzzed"), environment_of(profile) | HARMLESS) as product:
        outcome = fuzz(product, requests=100, seed=seed, seconds=180)
    assert outcome.failures == {}, f"seed {seed}"
    assert outcome.requests >= 100, f"seed {seed}"
