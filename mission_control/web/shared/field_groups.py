"""What a form needs so that `{{ form.title.as_field_group }}` shows a field whole: label, control, errors, hint.

Django writes the control and ties errors and hint to it (`aria-describedby`, `aria-invalid`); the rest is the
template shared/field.html.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.db.models import Model, QuerySet
from django.forms.renderers import DjangoTemplates
from django.template import loader
from django.utils.html import format_html
from django.utils.safestring import SafeString


class FieldRenderer(DjangoTemplates):
    """Django's renderer of forms, which takes the template of a whole field from ours."""

    field_template_name = "shared/field.html"

    def get_template(self, template_name: str) -> Any:
        if template_name == self.field_template_name:
            return loader.get_template(template_name)
        return super().get_template(template_name)


class FieldGroups(forms.BaseForm):
    """A form that shows its fields by `as_field_group`. `ids` is the pattern of their elements' ids."""

    default_renderer = FieldRenderer()
    ids = "id_%s"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": self.ids, **kwargs})
        for field in self.fields.values():
            attributes = field.widget.attrs
            attributes["class"] = " ".join(filter(None, [_css_class(field.widget), attributes.get("class")]))


class TextArea(forms.Textarea):
    """A text of several lines, whose size the style sheet decides."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        forms.Widget.__init__(self, attrs)


class OfferedRows(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic in its stubs only
    """A choice among rows. A page offers `offered`, as (key, words); every other row is accepted as well."""

    def __init__(
        self,
        queryset: QuerySet[Model],
        *,
        offered: Callable[[], Iterable[tuple[Any, str]]],
        none: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(queryset, required=False, **kwargs)
        self.choices = lambda: [("", none), *offered()]


def noted(label: str, note: str) -> SafeString:
    """Return a label with a note in brackets behind it."""
    return format_html('{} <span class="opt">({})</span>', label, note)


def _css_class(widget: forms.Widget) -> str:
    if isinstance(widget, forms.Textarea):
        return "textarea"
    return "select" if isinstance(widget, forms.Select) else "input"
