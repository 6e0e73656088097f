"""What speaks to Redis. Imported where there is one alone: the package takes 9 MB of each process."""

import logging
import time

import redis
import redis.asyncio
from django.conf import settings

AWAY = (redis.RedisError, OSError, TimeoutError, RuntimeError)  # what a channel layer raises without its Redis

PING_SECONDS = 1.0

logger = logging.getLogger(__name__)


class RedisBell:
    """Rings when an enqueuer on any machine pushed to the list. Without Redis it is a poll."""

    POLL_SECONDS = 0.2
    KEPT_SECONDS = 20

    def __init__(self, url: str) -> None:
        self.client = redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=5)
        self.key = f"{settings.REDIS_PREFIX}.bell"

    def listen(self) -> None:
        """Nothing to note: the list keeps what was rung before."""

    def ring(self) -> None:
        try:
            pipeline = self.client.pipeline()
            pipeline.lpush(self.key, 1)
            pipeline.ltrim(self.key, 0, 100)
            pipeline.expire(self.key, self.KEPT_SECONDS)
            pipeline.execute()
        except redis.RedisError as error:
            logger.warning("the doorbell does not ring (%s); workers look by themselves", type(error).__name__)

    def wait(self, seconds: float) -> None:
        try:
            self.client.blpop([self.key], timeout=seconds)
        except redis.RedisError:
            time.sleep(self.POLL_SECONDS)


def answers() -> bool:
    """Ask Redis once, a second at most."""
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=PING_SECONDS, socket_timeout=PING_SECONDS
    )
    try:
        client.ping()
    except AWAY:
        return False
    finally:
        client.close()
    return True


class Pulse:
    """Asks Redis again and again over one connection, from asynchronous code."""

    def __init__(self) -> None:
        self.client = redis.asyncio.Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=PING_SECONDS, socket_timeout=PING_SECONDS
        )

    async def beats(self) -> bool:
        try:
            await self.client.ping()
        except AWAY:
            return False
        return True
