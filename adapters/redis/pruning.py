"""Lanes and sources that are over are forgotten in a slot, bite by bite."""

from __future__ import annotations

from adapters.redis import keys
from adapters.redis.asking import reply_to
from adapters.redis.calls import Calls
from adapters.redis.connect import Client
from adapters.redis.scripts import Argument, Reply, Scripts
from engine.model import NowMs, PortfolioId


class RedisPruner:
    """See engine.pruning.Pruner."""

    def __init__(self, client: Client, scripts: Scripts, calls: Calls, now_ms: NowMs) -> None:
        self._client = client
        self._scripts = scripts
        self._calls = calls
        self._now_ms = now_ms

    async def prune_lanes(self, portfolio: PortfolioId, after: int) -> int:
        """See Pruner.prune_lanes."""
        return int(await self._run("lanes_prune", portfolio, [after]))

    async def idle_sources(self, portfolio: PortfolioId, until_ms: int, most: int) -> list[str]:
        """See Pruner.idle_sources."""
        index = keys.idle_sources(portfolio)
        found = self._client.zrangebyscore(index, "-inf", until_ms, start=0, num=most)
        return [name.decode() for name in await reply_to(found)]

    async def forget_source(self, portfolio: PortfolioId, source: str, until_ms: int) -> bool:
        """See Pruner.forget_source."""
        return bool(await self._run("source_forget", portfolio, [source, until_ms]))

    async def keep_source(self, portfolio: PortfolioId, source: str) -> None:
        """See Pruner.keep_source."""
        index = keys.idle_sources(portfolio)
        await reply_to(self._client.zadd(index, {source: self._now_ms()}, xx=True))

    async def _run(self, script: str, portfolio: PortfolioId, arguments: list[Argument]) -> Reply:
        call = self._calls.call(script, portfolio, self._now_ms(), arguments)
        return (await self._scripts.run([call]))[0]
