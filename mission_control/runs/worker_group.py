"""Which workers belong together, named by a variable so that whoever starts them need not know Django's models."""

import os

GROUP_VARIABLE = "MISSION_CONTROL_WORKER_GROUP"


def group() -> str:
    """Return the group that this process works in."""
    return os.environ.get(GROUP_VARIABLE, "none")
