"""Access to Redis. Imported only where Redis is configured: the package takes 9 MB of each process."""

import logging
import time

import redis
import redis.asyncio
from django.conf import settings

# What a channel layer raises while its Redis is unavailable.
REDIS_ERRORS = (
    redis.RedisError,
    OSError,
    TimeoutError,
    RuntimeError,
)

PING_SECONDS = 1.0

logger = logging.getLogger(__name__)


class RedisWakeup:
    """Wakes a cluster when a process on any machine pushes to a Redis list; polls while Redis is unavailable."""

    POLL_SECONDS = 0.2
    KEPT_SECONDS = 20

    def __init__(self, url: str) -> None:
        self.client = redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=5)
        self.key = f"{settings.REDIS_PREFIX}.bell"

    def listen(self) -> None:
        """Do nothing: the list keeps earlier wakeups."""

    def wake(self) -> None:
        try:
            pipeline = self.client.pipeline()
            pipeline.lpush(self.key, 1)
            pipeline.ltrim(self.key, 0, 100)
            pipeline.expire(self.key, self.KEPT_SECONDS)
            pipeline.execute()
        except redis.RedisError as error:
            logger.warning("workers cannot be woken (%s); they poll the queue", type(error).__name__)

    def wait(self, seconds: float) -> None:
        try:
            self.client.blpop([self.key], timeout=seconds)
        except redis.RedisError:
            time.sleep(self.POLL_SECONDS)


def answers() -> bool:
    """Return whether Redis answers a ping within a second."""
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=PING_SECONDS, socket_timeout=PING_SECONDS
    )
    try:
        client.ping()
    except REDIS_ERRORS:
        return False
    finally:
        client.close()
    return True


class RedisProbe:
    """Pings Redis repeatedly over one connection, from asynchronous code."""

    def __init__(self) -> None:
        self.client = redis.asyncio.Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=PING_SECONDS, socket_timeout=PING_SECONDS
        )

    async def answers(self) -> bool:
        try:
            await self.client.ping()
        except REDIS_ERRORS:
            return False
        return True
