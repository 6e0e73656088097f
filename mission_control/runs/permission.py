"""Who may start and stop agents, whichever way leads there: a run, a status of a project or task, a skip."""

from mission_control.errors import NotAllowed
from mission_control.rights import acting_user


def may_start() -> bool:
    """Tell whether the user who acts may start agents; the product itself always may."""
    user = acting_user()
    return user is None or user.has_perm("mission_control.add_run")


def require_start() -> None:
    """Raise NotAllowed when the user who acts may not start agents."""
    if not may_start():
        raise NotAllowed("To start an agent", "Can add run")


def require_stop() -> None:
    """Raise NotAllowed when the user who acts may not stop agents; the product itself always may."""
    user = acting_user()
    if user is not None and not user.has_perm("mission_control.change_run"):
        raise NotAllowed("To stop a run", "Can change run")
