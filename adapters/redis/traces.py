"""The traces of jobs in Redis: a hash for each bucket of a lane that has any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from adapters.redis import keys
from adapters.redis.asking import reply_to
from adapters.redis.connect import Client
from engine.model import JobKey, NowMs, PortfolioId

KEPT_MS: Final = 30 * 86_400_000  # since the bucket's newest: longer than an ended job is kept


class RedisTraces:
    """See engine.tracing.Traces. `traced` tells which buckets have any, so that none is asked."""

    def __init__(self, client: Client, now_ms: NowMs) -> None:
        self._client = client
        self._now_ms = now_ms

    async def keep(self, portfolio: PortfolioId, traces: Mapping[JobKey, bytes]) -> None:
        """See Traces.keep."""
        if not traces:
            return
        now_ms, index = self._now_ms(), keys.traced(portfolio)
        pipeline = self._client.pipeline(transaction=False)
        for key, trace in traces.items():
            pipeline.hsetnx(keys.traces(portfolio, key), str(key.sequence), trace)
        buckets = {keys.traces(portfolio, key): _bucket_of(key) for key in traces}
        for name, bucket in buckets.items():
            pipeline.pexpire(name, KEPT_MS)
            pipeline.zadd(index, {bucket: now_ms + KEPT_MS})
        pipeline.zremrangebyscore(index, "-inf", now_ms)
        pipeline.pexpire(index, KEPT_MS)
        await reply_to(pipeline.execute())

    async def of(self, portfolio: PortfolioId, jobs: Sequence[JobKey]) -> dict[JobKey, bytes]:
        """See Traces.of."""
        if not jobs:
            return {}
        pipeline = self._client.pipeline(transaction=False)
        for key in jobs:
            pipeline.hget(keys.traces(portfolio, key), str(key.sequence))
        found = await reply_to(pipeline.execute())
        return {key: trace for key, trace in zip(jobs, found, strict=True) if trace}

    async def buckets(self, portfolio: PortfolioId) -> frozenset[str]:
        """Return the buckets in which jobs have traces: `of` need not be asked of others."""
        names = await reply_to(self._client.zrange(keys.traced(portfolio), 0, -1))
        return frozenset(name.decode() for name in names)

    async def of_some(
        self, portfolio: PortfolioId, jobs: Sequence[JobKey], buckets: frozenset[str]
    ) -> dict[JobKey, bytes]:
        """Return the traces of jobs, looked for in these buckets only."""
        return await self.of(portfolio, [key for key in jobs if _bucket_of(key) in buckets])


def _bucket_of(key: JobKey) -> str:
    return f"{key.lane}:{key.sequence // keys.DONE_BUCKET}"
