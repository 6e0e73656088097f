"""Forms whose `{{ form.title.as_field_group }}` shows a complete field: label, control, errors, hint.

Django renders the control and links errors and hint to it (`aria-describedby`, `aria-invalid`). The template
shared/field.html renders the rest.
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
    """Django's form renderer, but with our template for a complete field."""

    field_template_name = "shared/field.html"

    def get_template(self, template_name: str) -> Any:
        if template_name == self.field_template_name:
            return loader.get_template(template_name)
        return super().get_template(template_name)


class FieldGroups(forms.BaseForm):
    """A form that shows its fields with `as_field_group`. `ids` is the pattern for the HTML ids of its fields."""

    default_renderer = FieldRenderer()
    ids = "id_%s"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": self.ids, **kwargs})
        for field in self.fields.values():
            attributes = field.widget.attrs
            attributes["class"] = " ".join(filter(None, [_css_class(field.widget), attributes.get("class")]))


class TextArea(forms.Textarea):
    """A text area whose size is set in the stylesheet."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        forms.Widget.__init__(self, attrs)


class OfferedRows(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic in its stubs only
    """A choice of one row. A page lists only `offered`, as (key, text); every other row is accepted as well."""

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
    """Return a label followed by a note in brackets."""
    return format_html('{} <span class="opt">({})</span>', label, note)


def _css_class(widget: forms.Widget) -> str:
    if isinstance(widget, forms.Textarea):
        return "textarea"
    return "select" if isinstance(widget, forms.Select) else "input"
