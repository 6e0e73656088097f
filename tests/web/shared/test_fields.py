"""Every form parses a tag, a day and a title in the same way."""

import pytest

from mission_control.models import Task
from mission_control.web.board.forms import NewTaskForm
from mission_control.web.project.forms import DocumentForm, ProjectForm
from mission_control.web.shared.fields import SpecialtiesField
from mission_control.web.task.forms import EditForm

pytestmark = pytest.mark.django_db
FORMS = [NewTaskForm, EditForm, ProjectForm, DocumentForm]


@pytest.mark.parametrize("form", FORMS)
def test_tags_are_read_as_pages_show_them_in_every_form(form):
    read = form({"tags": '#writing, "a, b",  #draft, #, writing'})
    read.is_valid()
    assert read.cleaned_data["tags"] == ["writing", "a, b", "draft"]


def test_a_specialty_keeps_its_number_sign():
    assert SpecialtiesField().clean("#1 in sales, C#") == ["#1 in sales", "C#"]


@pytest.mark.parametrize("form", FORMS)
def test_a_title_has_the_models_length_in_every_form(form):
    longest = 250 if form is DocumentForm else Task._meta.get_field("title").max_length
    assert "title" not in form({"title": "t" * longest}).errors
    assert "title" in form({"title": "t" * (longest + 1)}).errors
