"""Django's backend for PostgreSQL with another pool.

Django has no setting for the pool's class, so this overrides `DatabaseWrapper.pool`, and uses its private
`_connection_pools` and `_configure_connection` as Django 5.2 does there. An upgrade that changes them breaks
`tests/supervisor/test_postgresql_pool.py`.
"""

from typing import Any

from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base

from pocketpaw_site.postgresql.pool import RecoveringPool


class DatabaseWrapper(base.DatabaseWrapper):
    """One connection, from a pool that recovers at once if there is a pool."""

    @property
    def pool(self) -> RecoveringPool | None:
        """Return this process's pool, created at the first call; None if the settings have none."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        pools: dict[str, RecoveringPool] = self._connection_pools  # type: ignore[attr-defined]  # the stubs lack it
        if self.alias not in pools:
            configure = self._configure_connection  # type: ignore[attr-defined]  # the stubs lack it
            parameters: dict[str, Any] = {**self.get_connection_params(), "autocommit": True}
            made = RecoveringPool(kwargs=parameters, configure=configure, **options)
            pools.setdefault(self.alias, made)  # another thread may have been first
        return pools[self.alias]
