#!/usr/bin/env python
"""Mission Control's command line: `manage.py up` serves everything, `manage.py help` lists the rest."""

import os
import sys


def main() -> None:
    """Run the command; what keeps it from starting is said in one line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pocketpaw_site.settings")
    if sys.argv[1:2] in (["worker"], ["web"]):
        os.environ["MISSION_CONTROL_PROCESS"] = sys.argv[1]  # the settings differ; see their database part
    from pocketpaw_site.environment import errors_as_one_line
    from pocketpaw_site.streams import prepared
    from pocketpaw_site.supervisor import handover

    with prepared(), errors_as_one_line():
        if handover.VARIABLE in os.environ:  # `up` has prepared everything, and goes on without Django
            from pocketpaw_site.supervisor.product import supervise

            supervise()
            return
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
