"""Django's backend for SQLite, where the writing transactions of one process take turns.

SQLite has no queue: a writer that finds the file locked sleeps and tries again, up to 0.1 seconds later. With
eight writers one of a hundred waited for over a second, because others were luckier each time. Here the
transactions of one process wait in the order in which they came. Between processes SQLite decides, as before.

This overrides private methods of Django 5.2's backend: where a transaction begins and where it ends. An upgrade
that changes them breaks `tests/compat/test_django.py`.
"""

import os
from typing import ClassVar

from django.db import OperationalError
from django.db.backends.sqlite3 import base

from pocketpaw_site.sqlite.turns import Turns


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection, which has its process's turn from the beginning of a writing transaction to its end."""

    turns: ClassVar[Turns] = Turns()
    _has_turn = False

    def _start_transaction_under_autocommit(self) -> None:
        if not self._has_turn:
            seconds = self.settings_dict["OPTIONS"].get("timeout", 5.0)
            if not self.turns.take(seconds):
                raise OperationalError("database is locked")
            self._has_turn = True
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]  # the stubs lack it
        except BaseException:
            self._end_turn()
            raise

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
