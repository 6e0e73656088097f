"""The tag `{% module "mission_control/board.js" %}`: a script, and preloads for the modules that it imports.

Without a build step, a browser finds a module's imports only after it has loaded the module, so each level costs
one more round of requests. With `modulepreload` in the HTML, the browser requests all modules at once.
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

_IMPORTED = re.compile(r'^import (?:[^"]* from )?"\./([\w./-]+)";$', re.MULTILINE)


@register.simple_tag
def module(name: str) -> SafeString:
    """Return the HTML elements for a script in the static files, with a preload for each of its imports."""
    hints = format_html_join(
        "", '<link rel="modulepreload" href="{}">', ((static(one),) for one in imports_of(name))
    )
    return format_html('{}<script type="module" src="{}"></script>', hints, static(name))


@cache
def imports_of(name: str) -> list[str]:
    """Return all direct and indirect imports of a module. The files are read once per process."""
    found: list[str] = []
    pending = [name]
    while pending:
        importing = pending.pop(0)
        source = Path(str(finders.find(importing))).read_text()
        for imported in _IMPORTED.findall(source):
            path = str(PurePosixPath(importing).parent / imported)
            if path not in (name, *found):
                found.append(path)
                pending.append(path)
    return found
