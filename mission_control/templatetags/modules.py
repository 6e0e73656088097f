"""`{% module "mission_control/board.js" %}`: a script, and what it imports asked for beside it.

Without a build step a browser finds out what a module imports when it has that module: one round of requests
another before the page can be used. Told beforehand (`modulepreload`, in HTML), it asks for all.
"""

import re
from functools import cache
from pathlib import Path, PurePosixPath

from django import template
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

_IMPORTED = re.compile(r'^import (?:[^"]* from )?"\./([\w.-]+)";$', re.MULTILINE)


@register.simple_tag
def module(name: str) -> SafeString:
    """Return the elements for a script below the static files, with a hint for each that it imports."""
    hints = format_html_join(
        "", '<link rel="modulepreload" href="{}">', ((static(one),) for one in imports_of(name))
    )
    return format_html('{}<script type="module" src="{}"></script>', hints, static(name))


@cache
def imports_of(name: str) -> list[str]:
    """Return all that a module imports, and what that imports. Read once a process."""
    found: list[str] = []
    asked = [name]
    while asked:
        importing = asked.pop(0)
        source = Path(str(finders.find(importing))).read_text()
        for imported in _IMPORTED.findall(source):
            path = str(PurePosixPath(importing).with_name(imported))
            if path not in (name, *found):
                found.append(path)
                asked.append(path)
    return found
