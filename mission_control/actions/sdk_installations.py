"""Install the SDK for Claude at the request of a user who may decide about connections. A worker does it.

What is installed is fixed by two lock files (`agents/backends/claude/installer.py`); no request can change it.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.backends.claude import installer
from agents.backends.claude.installer import InstallFailed, Progress
from agents.discovery.scanner import scanner
from agents.models import SdkInstallation
from mission_control.actions import connections
from mission_control.actions.activity import note
from mission_control.errors import AlreadyInstalled
from mission_control.models import Activity
from mission_control.queue.broker import enqueue

JOB = "mission_control.jobs.install_sdk"
NAME = "the SDK for Claude"
# One that has reported nothing for so long is lost: its worker or its job was killed.
SILENT_SECONDS = 120
REPORT_SECONDS = 1.0
LOST = "It was interrupted. Start it again"

Status = SdkInstallation.Status
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SdkState:
    """Whether the SDK can be used here, and the newest installation. `brings_cli`: with the CLI, about 390 MB."""

    is_installed: bool
    brings_cli: bool
    latest: SdkInstallation | None = None

    @property
    def status(self) -> str:
        """Return the status of the newest installation; empty if there is none."""
        return self.latest.status if self.latest else ""

    @property
    def is_active(self) -> bool:
        return self.latest is not None and self.latest.is_active

    @property
    def message(self) -> str:
        """Return what the newest installation does now, or why it failed."""
        return self.latest.message if self.latest else ""

    @property
    def done_bytes(self) -> int:
        return self.latest.done_bytes if self.latest else 0

    @property
    def total_bytes(self) -> int:
        return self.latest.total_bytes if self.latest else 0


def sdk_state() -> SdkState:
    """Return the state of the SDK on this machine. One query, and two more where an installation was lost."""
    latest = SdkInstallation.objects.first()
    if latest is not None and latest.is_active and _is_lost(latest):
        _end(latest.pk, Status.FAILED, LOST)
        latest = SdkInstallation.objects.first()
    return SdkState(not installer.is_missing(), installer.needs_cli(), latest)


def install_sdk(*, by: User) -> SdkInstallation:
    """Let a worker install the SDK. Raises OperatorDecides, and AlreadyInstalled."""
    connections.require(by, NAME, "run `make claude` there")
    state = sdk_state()
    if state.is_installed:
        raise AlreadyInstalled(is_done=True)
    try:
        with transaction.atomic():
            row = SdkInstallation.objects.create(
                requested_by=by, message="Waits for a worker", reported_at=timezone.now()
            )
            _note("The installation of the SDK for Claude was started")
            enqueue(JOB, str(row.pk))
    except IntegrityError:
        raise AlreadyInstalled(is_done=False) from None
    return row


def carry_out(pk: int) -> None:
    """Carry out an installation: the job of a worker. Does nothing if it has begun elsewhere, or was lost."""
    mine = SdkInstallation.objects.filter(pk=pk, is_active=True)
    if not mine.filter(status=Status.WAITING).update(status=Status.RUNNING, reported_at=timezone.now()):
        return
    reason = LOST
    try:
        installer.install(_reporter(pk), with_cli=installer.needs_cli())
        reason = ""
    except InstallFailed as failure:
        reason = str(failure)
    except Exception:
        logger.exception("the installation of the SDK for Claude failed")
        reason = "It failed unexpectedly; the log has more"
    finally:  # also when the worker is told to end
        _end(pk, Status.FAILED if reason else Status.DONE, reason)


def record_by_command(reason: str) -> None:
    """Write an activity about an installation that a command has carried out; `reason` says why it failed."""
    _note(_outcome(reason))
    scanner.outdate()


def _reporter(pk: int) -> Callable[[Progress], None]:
    """Return a function that stores the progress, at most once a second. It raises if the row counts as lost."""
    last = ("", float("-inf"))

    def report(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if progress.step == last[0] and now - last[1] < REPORT_SECONDS:
            return
        last = (progress.step, now)
        is_mine = SdkInstallation.objects.filter(pk=pk, is_active=True).update(
            message=progress.step,
            done_bytes=progress.done_bytes,
            total_bytes=progress.total_bytes,
            reported_at=timezone.now(),
        )
        if not is_mine:
            raise InstallFailed(LOST)

    return report


def _is_lost(row: SdkInstallation) -> bool:
    return row.reported_at < timezone.now() - timedelta(seconds=SILENT_SECONDS)


def _end(pk: int, status: str, message: str) -> None:
    """End an installation once."""
    with transaction.atomic():
        changes = {"status": status, "is_active": False, "message": message[:250], "reported_at": timezone.now()}
        if SdkInstallation.objects.filter(pk=pk, is_active=True).update(**changes):
            _note(_outcome(message))
    scanner.outdate()  # agents may use `claude` in another way now


def _outcome(reason: str) -> str:
    if not reason:
        return "The SDK for Claude was installed"
    return f"The SDK for Claude was not installed. {reason}"


def _note(message: str) -> None:
    note(Activity.Type.AGENT_STATUS_CHANGED, message, subject=Activity.Subject.AGENT)
