"""Scripts and their imports, requested at once."""

import pytest

from mission_control.templatetags.modules import imports_of
from tests import make

pytestmark = pytest.mark.django_db


def test_a_page_asks_beside_a_script_for_all_that_it_imports(browser):
    make.task()  # without a task the page is the introduction
    page = browser.get("/").content.decode()
    imported = imports_of("mission_control/board.js")
    assert "mission_control/board_cards.js" in imported
    assert "mission_control/keys.js" in imported
    assert "mission_control/palette.js" in imported  # only keys.js imports it
    assert any(name.startswith("mission_control/vendor/combobox-nav-") for name in imported)
    for name in imported:
        assert f'<link rel="modulepreload" href="/static/{name}">' in page
    assert '<script type="module" src="/static/mission_control/board.js">' in page
