"""The SDK for Claude is installed by a button, the API or a command: once, and only for the operator."""

import importlib.util
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_q.models import OrmQ

from agents.backends.claude import installation
from agents.models import SdkInstallation
from mission_control import jobs
from mission_control.actions import sdk_installations as actions
from mission_control.errors import AlreadyInstalled
from mission_control.models import Activity
from tests import make
from tests.agents.pip import FakePip
from tests.api.conftest import Api
from tests.needs import lack
from tests.web.conftest import client_of
from tests.web.pages import html, text_of

pytestmark = pytest.mark.usefixtures("database")
PAGE = "/agents/connections"
BUTTON = f"{PAGE}/claude-sdk"


@pytest.fixture(autouse=True)
def pip(settings, monkeypatch, tmp_path) -> FakePip:
    """An installation for this machine only, without the SDK and `claude`; its pip is played."""
    settings.CONNECTIONS_BY_PAGE = True
    monkeypatch.setattr(installation, "PACKAGE", "an_sdk_that_is_not_installed")
    monkeypatch.setenv("PATH", "/nonexistent")
    pip = FakePip(tmp_path / "environment")
    monkeypatch.setattr("sys.executable", str(pip.python))
    return pip


def messages() -> list[str]:
    return list(Activity.objects.order_by("number").values_list("message", flat=True))


def carried_out() -> SdkInstallation:
    row = SdkInstallation.objects.get()
    jobs.install_sdk(str(row.pk))
    row.refresh_from_db()
    return row


def test_one_click_lets_a_worker_install_it_and_the_page_shows_how_far_it_is(browser, pip):
    assert "It is installed with the Claude CLI: about 390 MB" in text_of(html(browser, PAGE))
    browser.post(BUTTON)
    assert OrmQ.objects.count() == 1 and not pip.calls
    row = SdkInstallation.objects.get()
    assert (row.status, row.requested_by is not None) == ("waiting", True)
    page = html(browser, PAGE)
    assert "Waits for a worker" in page and f'hx-get="{BUTTON}"' in page
    SdkInstallation.objects.update(
        status="running", message="Downloading claude_agent_sdk", done_bytes=30_000_000, total_bytes=119_300_000
    )
    part = browser.get(BUTTON, headers={"HX-Request": "true"}).content.decode()
    assert 'max="119300000" value="30000000"' in part and "Downloading claude_agent_sdk" in part
    SdkInstallation.objects.update(status="waiting")
    assert (carried_out().status, carried_out().is_active) == ("done", False)
    assert (
        len([call for call in pip.calls if "install" in call[0]]) == 1
    )  # a second delivery of the job does nothing
    assert messages() == [
        "The installation of the SDK for Claude was started",
        "The SDK for Claude was installed",
    ]
    assert "hx-get" not in browser.get(BUTTON, headers={"HX-Request": "true"}).content.decode()


def test_a_failure_is_shown_with_its_reason_and_can_be_tried_again(browser, pip):
    pip.fails("ERROR: No space left on device")
    browser.post(BUTTON)
    assert carried_out().message == "The disk is full"
    assert "It was not installed. The disk is full." in text_of(html(browser, PAGE))
    assert messages()[-1] == "The SDK for Claude was not installed. The disk is full"
    browser.post(BUTTON)
    assert SdkInstallation.objects.filter(is_active=True).count() == 1


def test_only_one_installation_at_a_time(browser):
    superuser = make.user()
    actions.install_sdk(by=superuser)
    with pytest.raises(AlreadyInstalled, match="is being installed already"):
        actions.install_sdk(by=superuser)
    assert OrmQ.objects.count() == 1


def test_an_installation_whose_worker_was_killed_is_given_up_and_its_job_does_nothing_later(browser, pip):
    browser.post(BUTTON)
    long_ago = timezone.now() - timedelta(seconds=actions.SILENT_SECONDS + 1)
    SdkInstallation.objects.update(reported_at=long_ago)
    assert "It was interrupted. Start it again." in text_of(html(browser, PAGE))
    assert carried_out().status == "failed" and not pip.calls


def test_a_job_that_is_ended_in_the_middle_says_so(browser, pip, monkeypatch):
    browser.post(BUTTON)
    row = SdkInstallation.objects.get()

    def end(*_: object, **__: object) -> None:
        raise SystemExit

    monkeypatch.setattr("subprocess.Popen", end)
    with pytest.raises(SystemExit):
        jobs.install_sdk(str(row.pk))
    row.refresh_from_db()
    assert (row.status, row.message) == ("failed", "It was interrupted. Start it again")


def test_nobody_but_the_operator_installs_it(settings, pip):
    member = client_of(make.user(may=["agents.view_agent", "agents.add_agent"]))
    assert "The operator installs it with make claude" in text_of(html(member, PAGE))
    member.post(BUTTON)
    assert Api(make.user(may=["agents.view_agent"])).post("connections/claude-sdk", {}).status_code == 403
    settings.CONNECTIONS_BY_PAGE = False
    assert Api().post("connections/claude-sdk", {}).status_code == 403
    client_of(make.user()).post(BUTTON)
    assert not SdkInstallation.objects.exists() and not OrmQ.objects.exists() and not pip.calls


def test_the_api_starts_it_and_says_how_far_it_is():
    api = Api()
    before = api.get("connections").json()["claude_sdk"]
    assert (before["is_installed"], before["brings_cli"], before["status"]) == (False, True, "")
    answer = api.post("connections/claude-sdk", {})
    assert (answer.status_code, answer.json()["claude_sdk"]["status"]) == (200, "waiting")
    assert api.post("connections/claude-sdk", {}).status_code == 409
    assert "person" in Activity.objects.get().metadata


def test_the_admin_starts_it_by_adding_one(browser):
    browser.post("/admin/agents/sdkinstallation/add/", {})
    assert (SdkInstallation.objects.get().status, OrmQ.objects.count()) == ("waiting", 1)
    answer = browser.post("/admin/agents/sdkinstallation/add/", {}, follow=True)
    assert "is being installed already" in answer.content.decode()


def test_the_command_installs_it_with_progress_and_an_activity(pip, capsys):
    call_command("connect", "--install", "claude")
    assert "Starting\n" in capsys.readouterr().out
    pip.fails("ERROR: No space left on device")
    with pytest.raises(CommandError, match="The disk is full"):
        call_command("connect", "--install", "claude")
    assert messages() == [
        "The SDK for Claude was installed",
        "The SDK for Claude was not installed. The disk is full",
    ]


def test_where_it_is_installed_nothing_is_started(browser, monkeypatch):
    if importlib.util.find_spec("claude_agent_sdk") is None:
        lack("the SDK for Claude")
    monkeypatch.setattr(installation, "PACKAGE", "claude_agent_sdk")
    browser.post(BUTTON)
    assert not SdkInstallation.objects.exists()
    assert "Install : SDK for Claude" not in text_of(html(browser, PAGE))
