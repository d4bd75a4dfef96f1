"""When webhooks last told something of each number's messages, for all processes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from adapters.redis.asking import reply_to
from adapters.redis.connect import Client

HEARD: Final = "ps:heard"
"""HASH  phone number id -> when a process folded the last status of it, epoch ms"""


class RedisHearing:
    """See engine.silence.Hearing."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def note(self, heard_at_ms: Mapping[str, int]) -> None:
        """See Hearing.note; of processes that note at once, one is a few seconds early at most."""
        if heard_at_ms:
            flat = [word for name, at_ms in heard_at_ms.items() for word in (name, str(at_ms))]
            await reply_to(self._client.hset(HEARD, items=flat))

    async def of(self, senders: Iterable[str]) -> dict[str, int]:
        """See Hearing.of."""
        names = list(senders)
        found = await reply_to(self._client.hmget(HEARD, names)) if names else []
        return {name: int(at) for name, at in zip(names, found, strict=True) if at is not None}
