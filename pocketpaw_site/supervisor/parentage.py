"""End processes with their parent, even if that is killed by SIGKILL.

On Linux the kernel does it (PR_SET_PDEATHSIG); elsewhere a thread watches the parent's pid. The kernel's setting
is cleared at each fork, and takes effect when the *thread* that forked ends: so it is set again after each fork,
and only main threads start children.
"""

import ctypes
import os
import signal
import sys
import threading
import time

PARENT_VARIABLE = "MISSION_CONTROL_PARENT"
WATCH_SECONDS = 0.5
_PR_SET_PDEATHSIG = 1
# Loaded here, because between fork and exec nothing may be imported.
_prctl = ctypes.CDLL(None).prctl if sys.platform.startswith("linux") else None
_forking = 0


def die_with(parent: int) -> None:
    """Kill this process when its parent `parent` ends. Call it in the child."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
    else:
        threading.Thread(target=_watch, args=[parent], daemon=True).start()
    if os.getppid() != parent:  # it ended before the setting took effect
        os.kill(os.getpid(), signal.SIGKILL)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def bind_to_parent() -> bool:
    """End this process with the supervisor that started it; return False if it was started by hand.

    Removes the variable from the environment, so that an agent's processes do not inherit it.
    """
    parent = os.environ.pop(PARENT_VARIABLE, "")
    if not parent.isdigit():
        return False
    die_with(int(parent))
    return True


def bind_forks_to_parents() -> None:
    """Let every process that is forked from now on, by us or by our forks, end with its own parent."""
    os.register_at_fork(before=_note_parent, after_in_child=_die_with_parent)


def _note_parent() -> None:
    global _forking  # noqa: PLW0603 - a fork hook has no other place to store it
    _forking = os.getpid()


def _die_with_parent() -> None:
    die_with(_forking)
