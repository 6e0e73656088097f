"""Settings that contradict each other are reported at start."""

import pytest
from django.core.checks import run_checks


def found() -> set[str]:
    return {problem.id for problem in run_checks() if (problem.id or "").startswith("mission_control.")}


def test_the_settings_as_they_are_contradict_nothing():
    assert found() == set()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"retry": 10}, "mission_control.E001"),
        ({"timeout": 10}, "mission_control.E001"),
        ({"max_attempts": 3}, "mission_control.E002"),
        ({"catch_up": True}, "mission_control.E002"),
        ({"queue_limit": 36}, "mission_control.E003"),
    ],
)
def test_queue_settings_that_would_run_an_agent_twice_are_refused(settings, change, problem):
    settings.Q_CLUSTER = settings.Q_CLUSTER | change

    assert found() == {problem}


def test_a_lease_shorter_than_the_database_wait_is_warned_of(settings):
    settings.LEASE_SECONDS = 5.0

    assert found() == {"mission_control.W001"}


def test_a_backend_that_does_not_import_is_refused(settings):
    settings.MISSION_CONTROL_BACKENDS = {"lost": "nowhere.at.All"}

    assert found() == {"mission_control.E005"}
