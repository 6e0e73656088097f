"""The loader of our templates, which leaves out of a page what only the reader of a template needs.

Indentation and lines of block tags alone would make what is sent a tenth longer, compressed. They are taken out
once, when a template is read; each line with content keeps its end, so a browser shows the same.
"""

import re

from django.template import Origin
from django.template.loaders import filesystem

_IN_TAG = r"(?:(?!%\})[^\n])*"
# A line with nothing but one tag (or comment) that renders nothing itself.
_SILENT = rf"(?:if|elif|else|endif|for|empty|endfor|with|endwith|block|endblock|load|extends)\b{_IN_TAG}"
_SILENT_LINE = re.compile(
    rf"^(\{{% (?:{_SILENT}|{_IN_TAG} as \w+ )%\}}|\{{% comment %\}}{_IN_TAG}\{{% endcomment %\}})\n", re.MULTILINE
)
_INDENTATION = re.compile(r"^[ \t]+", re.MULTILINE)
_KEPT = re.compile(r"(<(?:pre|textarea)\b.*?</(?:pre|textarea)>)", re.DOTALL)


class Loader(filesystem.Loader):
    """Reads templates from the folders of the setting TEMPLATES."""

    def get_contents(self, origin: Origin) -> str:
        return dense(super().get_contents(origin))


def dense(source: str) -> str:
    """Return a template without indentation and without the line ends after block tags that stand alone."""
    parts = _KEPT.split(source)
    parts[::2] = [_SILENT_LINE.sub(r"\1", _INDENTATION.sub("", part)) for part in parts[::2]]
    return "".join(parts)
