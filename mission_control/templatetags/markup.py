"""Template tags for small pieces of markup that many templates share. They are built in: no `{% load %}` needed.

`{% icon "plus" %}` is a drawing, `{% state row.state %}` a state as colour, icon and word,
`{% moment task.created_at %}` a time that JavaScript shows in the reader's own time zone.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Protocol

from django import template
from django.db.models import Model
from django.template.defaultfilters import date as formatted
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime

from mission_control import formatting
from mission_control.models import Deliverable, Task

register = template.Library()
register.filter("duration", formatting.duration)
register.filter("full_count", formatting.full_count)
register.filter("file_size", formatting.file_size)

# The server's format for each `data-` attribute of page.js, until JavaScript shows the reader's local time.
_WRITTEN = {"moment": "M j, H:i", "date": "M j, Y", "minute": "H:i", "clock": "H:i:s"}


class ShownState(Protocol):
    """A state as it is shown: `status` selects the colour, `icon` the shape, `word` is the text."""

    @property
    def status(self) -> str: ...
    @property
    def word(self) -> str: ...
    @property
    def icon(self) -> str: ...


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """Return an icon from shared/_sprite.html. Screen readers skip it: the text beside it has the meaning."""
    return _icon(str(name), classes)


@lru_cache(maxsize=512)
def _icon(name: str, classes: str) -> SafeString:
    return format_html(
        '<svg class="i{}" aria-hidden="true"><use href="#i-{}"/></svg>', f" {classes}" if classes else "", name
    )


@register.simple_tag
def crumbs(*trail: Model | str) -> SafeString:
    """Return the links above a page's heading: names of pages, such as "projects", and rows that have a page."""
    links = [_crumb(at) for at in trail if at]
    slash = mark_safe(' <span aria-hidden="true">/</span>')
    items = [(link, slash if number < len(links) else "") for number, link in enumerate(links, 1)]
    return format_html(
        '<nav class="crumbs" aria-label="Where you are"><ol>{}</ol></nav>',
        format_html_join("", "<li>{}{}</li>", items),
    )


def _crumb(at: Model | str) -> SafeString:
    if isinstance(at, str):
        return format_html('<a href="{}">{}</a>', reverse(at), at.capitalize())
    name = "document" if isinstance(at, Deliverable) else str(at._meta.model_name)
    return format_html('<a href="{}"><bdi>{}</bdi></a>', reverse(name, args=[at.pk]), at)


@register.simple_tag
def state(of: ShownState) -> SafeString:
    """Return a state as colour, icon and word."""
    return _state("state", of.status, of.icon, of.word)


@register.simple_tag
def badge(of: ShownState) -> SafeString:
    """Return a state with a background, for the header of a page."""
    return _state("badge", of.status, of.icon, of.word)


@register.simple_tag
def task_state(task: Task) -> SafeString:
    """Return a task's status as colour, icon and word."""
    return _state("state", task.status, f"s-{task.status}", task.get_status_display().capitalize())


@register.simple_tag
def task_badge(task: Task) -> SafeString:
    """Return a task's status with a background, for the header of a page."""
    return _state("badge", task.status, f"s-{task.status}", task.get_status_display().capitalize())


def _state(kind: str, status: str, icon_name: str, word: str) -> SafeString:
    drawing = _icon(str(icon_name), "")
    return format_html('<span class="{}" data-status="{}">{}{}</span>', kind, status, drawing, word)


@register.simple_tag
def moment(at: datetime | None, classes: str = "") -> SafeString:
    """Return date and time without the year, for recent times: `Nov 30, 14:05`."""
    return _time("moment", at, classes)


@register.simple_tag
def day(at: datetime | None, classes: str = "") -> SafeString:
    """Return a date with its year: `Nov 30, 2026`."""
    return _time("date", at, classes)


@register.simple_tag
def minute(at: datetime | None, classes: str = "") -> SafeString:
    """Return a time where the day is known: `14:05`."""
    return _time("minute", at, classes)


@register.simple_tag
def clock(at: datetime | None, classes: str = "") -> SafeString:
    """Return a time with seconds where the day is known: `14:05:09`."""
    return _time("clock", at, classes)


def _time(form: str, at: datetime | None, classes: str) -> SafeString:
    if not at:
        return SafeString("")
    written = formatted(localtime(at), _WRITTEN[form])
    attributes = format_html(' class="{}"', classes) if classes else ""
    return format_html('<time{} data-{} datetime="{}">{}</time>', attributes, form, at.isoformat(), written)


@register.simple_tag
def task_links(tasks: Iterable[Task], classes: str = "") -> SafeString:
    """Return links to tasks, separated by commas."""
    attributes = format_html(' class="{}"', classes) if classes else ""
    links = ((attributes, reverse("task", args=[task.pk]), task.title) for task in tasks)
    return format_html_join(", ", '<a{} href="{}"><bdi>{}</bdi></a>', links)


@register.simple_tag
def code_words(pieces: Iterable[tuple[str, bool]]) -> SafeString:
    """Return the pieces of a sentence as HTML; pieces that are marked True become `<code>`."""
    written = (format_html("<code>{}</code>", text) if is_code else text for text, is_code in pieces)
    return format_html_join("", "{}", ((one,) for one in written))
