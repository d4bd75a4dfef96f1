"""Which messages came in lately, for all processes: posted twice, one takes one send time."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from adapters.redis.asking import reply_to
from adapters.redis.connect import Client
from engine.inbound import HEARD_MS, Arrival

ARRIVED: Final = "ps:arrived"
"""ZSET  hash of a number and a message's id (which holds a person's number) -> when it was heard"""
HASH_BYTES: Final = 12


class RedisArrivals:
    """See engine.inbound.Arrivals; one round trip."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def new(self, arrivals: Sequence[Arrival], now_ms: int) -> list[bool]:
        """See Arrivals.new."""
        if not arrivals:
            return []
        pipeline = self._client.pipeline(transaction=False)
        pipeline.zremrangebyscore(ARRIVED, "-inf", now_ms - HEARD_MS)
        for arrival in arrivals:
            pipeline.zadd(ARRIVED, {_hashed(arrival): now_ms}, nx=True)
        pipeline.pexpire(ARRIVED, HEARD_MS)
        _, *added, _ = await reply_to(pipeline.execute())
        return [bool(each) for each in added]


def _hashed(arrival: Arrival) -> bytes:
    return blake2b("\0".join(arrival).encode(), digest_size=HASH_BYTES).digest()
