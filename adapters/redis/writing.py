"""Whether the servers that hold our keys take writes: one that is full still answers reads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from redis import RedisError
from redis.asyncio import RedisCluster

from adapters.redis.attendance import WORKERS
from adapters.redis.change_log import CHANGES
from adapters.redis.cluster_client import as_of_one_server
from adapters.redis.connect import Client
from adapters.redis.letterbox import HINTS, INBOX
from adapters.redis.registry import KINDS, NUMBERS, PREFIX, SECRETS, TOKENS
from engine.errors import LedgerAwayError
from engine.model import NowMs

WRITTEN: Final = "ps:written"  # STRING: somebody asked whether it can be; expires by itself
KEPT_MS: Final = 60_000
HOLDS_MS: Final = 1_000  # of a cluster's answer: many may ask, and each asks every node
SHARED: Final = (  # keys of no portfolio, each on whatever node has its slot
    *(PREFIX + kind for kind in KINDS),
    *(CHANGES, HINTS, INBOX, NUMBERS, SECRETS, TOKENS, WORKERS),
)


class Writing:
    """Asks each server that holds something of ours, by a write that matters to nobody."""

    def __init__(self, client: Client, now_ms: NowMs) -> None:
        self._client = client
        self._now_ms = now_ms
        self._objection = ""
        self._asked_at_ms = 0

    async def require(self, portfolios: Iterable[str]) -> None:
        """Return if all take writes; LedgerAwayError has the words of those that do not."""
        if not isinstance(self._client, RedisCluster):
            self._objection = await self._refusal_of(WRITTEN)
        elif self._now_ms() - self._asked_at_ms >= HOLDS_MS:
            self._objection = await self._ask_nodes(self._client, portfolios)
            self._asked_at_ms = self._now_ms()
        if self._objection:
            raise LedgerAwayError(f"Redis takes no writes: {self._objection}")

    async def _ask_nodes(self, cluster: RedisCluster, portfolios: Iterable[str]) -> str:
        """Ask one slot of ours on each node that has any; the nodes are asked at once."""
        try:
            with as_of_one_server():
                await cluster.initialize()
                keys = {
                    node.name: key
                    for key in (f"{WRITTEN}:{{{name}}}" for name in (*SHARED, *portfolios))
                    if (node := cluster.get_node_from_key(key)) is not None
                }
        except (TimeoutError, RedisError, OSError) as error:
            return _words_of(error)
        refusals = await asyncio.gather(*map(self._refusal_of, keys.values()))
        told = zip(keys, refusals, strict=True)
        return "; ".join(f"{node}: {refusal}" for node, refusal in told if refusal)

    async def _refusal_of(self, key: str) -> str:
        try:
            await self._client.set(key, b"1", px=KEPT_MS)
        except (TimeoutError, RedisError, OSError) as error:
            return _words_of(error)
        return ""


def _words_of(error: Exception) -> str:
    return str(error) or type(error).__name__
