"""Who works: each worker says so every second, so that every process can count them."""

from __future__ import annotations

from typing import Final

from adapters.redis.asking import reply_to
from adapters.redis.connect import Client
from engine.model import NowMs

WORKERS: Final = "ps:workers"  # ZSET worker -> when it last said so, epoch ms
GONE_MS: Final = 5_000  # who has not said so for this long is no worker any more
FORGOTTEN_MS: Final = 60_000


class Attendance:
    """Counts the workers of all machines; a clock may be off by as much as a claim allows."""

    def __init__(self, client: Client, now_ms: NowMs) -> None:
        self._client = client
        self._now_ms = now_ms
        self._forgot_at_ms = 0

    async def come(self, worker: str) -> None:
        """Say that a worker is there; to be said again every second."""
        now_ms = self._now_ms()
        await reply_to(self._client.zadd(WORKERS, {worker: now_ms}))
        if now_ms - self._forgot_at_ms >= FORGOTTEN_MS:
            await reply_to(self._client.zremrangebyscore(WORKERS, 0, now_ms - FORGOTTEN_MS))
            self._forgot_at_ms = now_ms

    async def leave(self, worker: str) -> None:
        """Say that a worker goes."""
        await reply_to(self._client.zrem(WORKERS, worker))

    async def count(self) -> int:
        """Return how many there are."""
        return int(await reply_to(self._client.zcount(WORKERS, self._now_ms() - GONE_MS, "+inf")))
