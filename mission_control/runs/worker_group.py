"""The group of a worker, named by an environment variable, so that its parent needs no Django models."""

import os

GROUP_VARIABLE = "MISSION_CONTROL_WORKER_GROUP"


def group() -> str:
    """Return this process's worker group."""
    return os.environ.get(GROUP_VARIABLE, "none")
