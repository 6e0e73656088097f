"""What a person has connected on the page: programs that agents may run.

The database keeps it, so that it reaches the workers of every machine. Backends do not read the database, so
`refresh` passes it on to them: before a run, and before anything that says what can run.
"""

from django.conf import settings

from agents.backends.programs.allowed import grant
from agents.models import AllowedProgram


def refresh() -> None:
    """Read the connections from the database, if a person may make any here. One query."""
    grant(AllowedProgram.objects.values_list("name", flat=True) if settings.CONNECTIONS_BY_PAGE else ())
