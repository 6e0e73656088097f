"""Print at the end which runs were interrupted or still wait. A program of its own, because `up` has no database.

It is started when the stop begins, initialises, and waits until its standard input is closed.
"""

import os
import sys

import django


def report() -> None:
    """End and list the runs of a killed worker; list the runs that wait for the next start."""
    from mission_control.models import Run
    from mission_control.runs import workers
    from mission_control.runs.lifecycle import abandon
    from mission_control.runs.worker_group import group
    from pocketpaw_site.supervisor.terminal import say_runs

    workers.forget_group()
    say_runs("Interrupted", abandon(workers.workers_of(group()).removesuffix("/")))
    if not workers.count_live_groups():
        left = Run.objects.light().filter(status__in=Run.UNCLAIMED)
        say_runs("Queued for the next start", left.order_by("queued_at"))


def main() -> None:
    """Initialise, wait until standard input is closed, and report."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pocketpaw_site.settings")
    django.setup()
    from pocketpaw_site.supervisor.database import OutageTolerance, wait_briefly

    wait_briefly()
    sys.stdin.read()
    with OutageTolerance().tolerated():
        report()


if __name__ == "__main__":
    main()
