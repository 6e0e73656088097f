"""Tags as a person edits them on a page: separated by commas, with quotes around a tag that contains a comma."""

import pytest
from django.core.exceptions import ValidationError

from mission_control.web.shared.fields import TagsField, tags_text


@pytest.mark.parametrize("tags", [[], ["a"], ["a,b", "c"], ['"', 'x"y', '"a,b"'], ["ü b", "#1"], [",", "a, b"]])
def test_tags_that_a_page_shows_and_gets_back_are_the_same(tags):
    assert TagsField().clean(tags_text(tags)) == tags


def test_what_is_too_many_too_long_or_no_list_is_refused():
    for text in (",".join(map(str, range(51))), "x" * 51, '"' + "x" * 200_000):
        with pytest.raises(ValidationError):
            TagsField().clean(text)
