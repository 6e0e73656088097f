"""Says at the end what nobody works on any more. A program of its own, for `up` has no database.

It is started when the end begins and waits, prepared, for its standard input to close.
"""

import os
import sys

import django


def account() -> None:
    """End what a worker that was killed could not end, and name it; name what waits for the next start."""
    from mission_control.models import Run
    from mission_control.runs import workers
    from mission_control.runs.lifecycle import abandon
    from mission_control.runs.worker_group import group
    from pocketpaw_site.supervisor.terminal import say_runs

    workers.forget_group()
    say_runs("Interrupted", abandon(workers.workers_of(group()).removesuffix("/")))
    if not workers.count_live_groups():
        left = Run.objects.light().filter(status__in=[Run.Status.QUEUED, Run.Status.WAITING])
        say_runs("Queued for the next start", left.order_by("queued_at"))


def main() -> None:
    """Get ready, wait until standard input closes, account."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pocketpaw_site.settings")
    django.setup()
    from pocketpaw_site.supervisor.database import Outage, wait_briefly

    wait_briefly()
    sys.stdin.read()
    with Outage().tolerated():
        account()


if __name__ == "__main__":
    main()
