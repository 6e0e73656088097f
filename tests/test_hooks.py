"""Lower packages call higher ones only through the hooks that `apps.py` registers."""

import os
import subprocess
import sys

import pytest

from mission_control import hooks
from mission_control.apps import HOOKS
from mission_control.checks import names_can_be_imported
from mission_control.hooks import Hook
from tests.product import CHECKOUT


def test_every_hook_has_a_function_that_can_be_imported():
    assert HOOKS.keys() == set(Hook)
    assert names_can_be_imported() == []


def test_a_hook_that_nobody_registered_says_so(monkeypatch):
    monkeypatch.delitem(hooks._paths, Hook.ADVANCE_ALL)
    with pytest.raises(hooks.NotRegistered, match=r"hook 'advance_all' \(mission_control/apps.py\)"):
        hooks.call(Hook.ADVANCE_ALL)
    assert "advance_all" in names_can_be_imported()[0].msg


def test_a_hook_of_a_function_that_is_gone_is_found_at_start(monkeypatch):
    monkeypatch.setitem(hooks._paths, Hook.SHOW_TASKS, "mission_control.api.gone")
    assert "show_tasks" in names_can_be_imported()[0].msg


def test_the_app_registers_the_checks_itself():
    """Runs in its own process, because the import above has registered them in this one."""
    code = "import sys, django; django.setup(); print('mission_control.checks' in sys.modules)"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "pocketpaw_site.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=CHECKOUT, capture_output=True, text=True
    )
    assert done.stdout.strip() == "True", done.stderr
