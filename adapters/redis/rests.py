"""Who rests until when, by keyed hashes; and the failures that are counted towards a rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from adapters.redis.asking import reply_to
from adapters.redis.connect import Client
from adapters.redis.preferences import bites
from engine.model import PortfolioId, RecipientKey
from engine.recipients import KEY_BYTES
from engine.resting import END_MS, Miss, Reason
from engine.suppressions import AT_ONCE

RESTS: Final = "ps:registry:rests:"  # and a portfolio
"""ZSET  key:code -> until when, epoch ms"""
NEXT: Final = "ps:registry:rests_next"
"""ZSET  portfolio -> not later than its first rest ends, epoch ms; a hint: whoever died between
writing a rest and this is not in it, so that all portfolios are to be looked at now and then"""
MISSES: Final = "ps:registry:misses:"  # and portfolio:code:epoch
"""ZSET  key and moment (6 bytes) -> 0; an epoch is as long as failures are remembered"""
MOMENT_BYTES: Final = 6


class RedisRests:
    """See engine.resting.Rests; `ending` tells where to look for rests that are over."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def count(self, portfolio: PortfolioId, miss: Miss, within_ms: int) -> int:
        """See Rests.count; old failures go with their epoch."""
        (recipient, code), at_ms = miss
        epoch = at_ms // within_ms
        names = [f"{MISSES}{portfolio}:{code}:{each}" for each in (epoch, epoch - 1)]
        member = recipient + _moment(at_ms)
        first = b"[" + recipient + _moment(max(0, at_ms - within_ms))
        pipeline = self._client.pipeline(transaction=False)
        pipeline.zadd(names[0], {member: 0})
        pipeline.pexpire(names[0], 2 * within_ms)
        for name in names:
            pipeline.zlexcount(name, cast("str", first), cast("str", b"[" + member))
        replies = await reply_to(pipeline.execute())
        return int(replies[2]) + int(replies[3])

    async def begin(self, portfolio: PortfolioId, untils: Mapping[Reason, int]) -> None:
        """See Rests.begin."""
        for some in bites(untils.items()):
            scores = {_member(reason): until_ms for reason, until_ms in some}
            pipeline = self._client.pipeline(transaction=False)
            pipeline.zadd(RESTS + portfolio, scores, gt=True)
            pipeline.zadd(NEXT, {portfolio: min(scores.values())}, lt=True)
            await reply_to(pipeline.execute())

    async def known(self, portfolio: PortfolioId, reasons: Sequence[Reason]) -> dict[Reason, int]:
        """See Rests.known."""
        found: dict[Reason, int] = {}
        for some in bites(reasons):
            members = cast("list[str]", [_member(each) for each in some])
            scores = await reply_to(self._client.zmscore(RESTS + portfolio, members))
            pairs = zip(some, scores, strict=True)
            found |= {each: int(score) for each, score in pairs if score is not None}
        return found

    async def over(self, portfolio: PortfolioId, now_ms: int) -> dict[Reason, int]:
        """See Rests.over."""
        name = RESTS + portfolio
        first = await reply_to(
            self._client.zrangebyscore(name, 0, now_ms, 0, AT_ONCE, withscores=True)
        )
        if not first:
            return {}
        last_ms = int(first[-1][1])
        rows = await reply_to(self._client.zrangebyscore(name, 0, last_ms, withscores=True))
        return {_reason(member): int(score) for member, score in rows}

    async def cut_short(self, portfolio: PortfolioId, reasons: Sequence[Reason]) -> None:
        """See Rests.cut_short."""
        for some in bites(reasons):
            scores = {_member(reason): END_MS for reason in some}
            pipeline = self._client.pipeline(transaction=False)
            pipeline.zadd(RESTS + portfolio, scores, lt=True, xx=True)
            pipeline.zadd(NEXT, {portfolio: END_MS}, lt=True)
            await reply_to(pipeline.execute())

    async def end(self, portfolio: PortfolioId, last_ms: int) -> None:
        """See Rests.end."""
        await reply_to(self._client.zremrangebyscore(RESTS + portfolio, 0, last_ms))
        await self.renew(portfolio)

    async def ending(self, now_ms: int) -> list[PortfolioId]:
        """Return in which portfolios a rest may be over: one command, however many there are."""
        names = await reply_to(self._client.zrangebyscore(NEXT, 0, now_ms))
        return [PortfolioId(name.decode()) for name in names]

    async def renew(self, portfolio: PortfolioId) -> None:
        """Note when a portfolio's first rest ends; what others begin meanwhile is not lost."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.zrem(NEXT, portfolio)
        pipeline.zrange(RESTS + portfolio, 0, 0, withscores=True)
        _, first = await reply_to(pipeline.execute())
        for _, until_ms in first:
            await reply_to(self._client.zadd(NEXT, {portfolio: until_ms}, lt=True))


def _member(reason: Reason) -> bytes:
    return reason.recipient + f":{reason.code}".encode()


def _reason(member: bytes) -> Reason:
    return Reason(RecipientKey(member[:KEY_BYTES]), int(member[KEY_BYTES + 1 :]))


def _moment(at_ms: int) -> bytes:
    return at_ms.to_bytes(MOMENT_BYTES, "big")
