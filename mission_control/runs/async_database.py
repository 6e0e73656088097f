"""Call database code from a run's event loop, with retries where a result must not be lost."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DataError, Error, IntegrityError, close_old_connections

logger = logging.getLogger(__name__)
Params = ParamSpec("Params")
Returned = TypeVar("Returned")


async def in_db(function: Callable[Params, Returned], *args: Params.args, **kwargs: Params.kwargs) -> Returned:
    """Call synchronous database code in the process's only database thread, which keeps its connection."""
    call = sync_to_async(function, thread_sensitive=False, executor=_database_thread(os.getpid()))
    return await call(*args, **kwargs)


@cache
def _database_thread(_pid: int) -> ThreadPoolExecutor:
    # One per process: threads do not survive a fork.
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")


async def persist(function: Callable[Params, Returned], *args: Params.args, **kwargs: Params.kwargs) -> Returned:
    """Call a database function, and repeat it for DATABASE_PATIENCE_SECONDS while the database does not answer.

    The function must be idempotent: it may be repeated after a commit whose answer was lost.
    """
    deadline, is_away = time.monotonic() + settings.DATABASE_PATIENCE_SECONDS, False
    while True:
        try:
            answer = await in_db(function, *args, **kwargs)
        except (IntegrityError, DataError):
            raise
        except Error as error:
            if time.monotonic() > deadline:
                raise
            if not is_away:  # logged once per outage: it may last for minutes, and many runs wait
                logger.warning("a database call failed (%s); trying again", type(error).__name__)
            is_away = True
            await in_db(close_old_connections)
            await asyncio.sleep(0.5)
        else:
            if is_away:
                logger.warning("the database call succeeded")
            return answer
