"""When the places of a window fall free, read from its scores without changing anything."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.redis import keys
from adapters.redis.asking import reply_to
from adapters.redis.connect import Client
from engine.model import NowMs, PortfolioId


class Freeing:
    """The expiry curve of the ledger's windows; raises LedgerAwayError when Redis is away."""

    def __init__(self, client: Client, now_ms: NowMs, span_ms: int) -> None:
        self._client = client
        self._now_ms = now_ms
        self._span_ms = span_ms

    async def freed_by(
        self, portfolio: PortfolioId, scope: str, moments_ms: Sequence[int]
    ) -> list[int]:
        """Return how many of those who count now have stopped to count by each moment.

        `scope` is a sender where each number has its own window, else empty. It says what happens
        if nothing else is sent.
        """
        window, span_ms = keys.window(portfolio, scope), self._span_ms
        pipeline = self._client.pipeline(transaction=False)
        counting = f"({self._now_ms() - span_ms}"
        for at_ms in moments_ms:
            pipeline.zcount(window, counting, at_ms - span_ms)
        freed: list[int] = await reply_to(pipeline.execute())
        return freed
