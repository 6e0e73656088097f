"""Django's backend for SQLite, where the writing transactions of one process take turns.

SQLite has no queue: a writer that finds the file locked sleeps and tries again, up to 0.1 seconds later. With
eight writers one of a hundred waited for over a second, because others were luckier each time. Here the
transactions of one process wait in the order in which they came. Between processes SQLite decides, as before.

This overrides private methods of Django 5.2's backend: where a transaction begins and where it ends. An upgrade
that changes them breaks `tests/compat/test_django.py`.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from django.db import OperationalError
from django.db.backends.sqlite3 import base

from pocketpaw_site.sqlite.turns import Turns

SHORT_SECONDS = 0.2  # a shorter wait for the turn is not worth two more statements


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection, which has its process's turn from the beginning of a writing transaction to its end."""

    turns: ClassVar[Turns] = Turns()
    _has_turn = False

    def _start_transaction_under_autocommit(self) -> None:
        seconds = self.settings_dict["OPTIONS"].get("timeout", 5.0)
        began_at = time.monotonic()
        if not self._has_turn:
            if not self.turns.take(seconds):
                raise OperationalError("database is locked")
            self._has_turn = True
        try:
            with self._waiting_at_most(seconds, already=time.monotonic() - began_at):
                super()._start_transaction_under_autocommit()  # type: ignore[misc]  # the stubs lack it
        except BaseException:
            self._end_turn()
            raise

    @contextmanager
    def _waiting_at_most(self, seconds: float, *, already: float) -> Iterator[None]:
        """Let SQLite wait for other processes only as long as is left after the wait for the turn."""
        if already < SHORT_SECONDS:
            yield
            return
        set_timeout = "PRAGMA busy_timeout = {:.0f}".format
        self.connection.execute(set_timeout(max(seconds - already, 0) * 1000))
        try:
            yield
        finally:
            self.connection.execute(set_timeout(seconds * 1000))

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self._end_turn()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._end_turn()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self._end_turn()

    def _end_turn(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self.turns.give()


def _forget_turns() -> None:
    """Start with new turns in a fork: it does not have the threads that hold or await the old ones."""
    DatabaseWrapper.turns = Turns()


os.register_at_fork(after_in_child=_forget_turns)
