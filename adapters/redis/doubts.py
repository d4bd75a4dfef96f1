"""The jobs whose outcome nobody knows, read from the ledger's own keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from adapters.redis import keys
from adapters.redis.asking import reply_to
from adapters.redis.connect import Client
from engine.model import JobKey, PortfolioId, SenderId, parse_key

AT_ONCE: Final = 100  # portfolios asked in one round trip a node, so that others go on


@dataclass(frozen=True, slots=True)
class Doubt:
    """One job in doubt, and when its policy decides if no evidence comes."""

    key: JobKey
    sender: SenderId
    source: str
    template: str  # empty for free-form
    decided_at_ms: int


class Doubts:
    """Reads only; a doubt is ended with Ledger.settle. Raises LedgerAwayError."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def soonest(
        self, portfolios: Sequence[PortfolioId], most: int
    ) -> list[tuple[PortfolioId, Doubt]]:
        """Return the doubts that are decided next, of all these portfolios together."""
        found: list[tuple[int, PortfolioId, JobKey]] = []
        for at in range(0, len(portfolios), AT_ONCE):
            some = portfolios[at : at + AT_ONCE]
            pipeline = self._client.pipeline(transaction=False)
            for portfolio in some:
                pipeline.zrange(keys.doubts(portfolio), 0, most - 1, withscores=True)
            told = zip(some, await reply_to(pipeline.execute()), strict=True)
            found += [
                (int(at_ms), portfolio, parse_key(name.decode()))
                for portfolio, jobs in told
                for name, at_ms in jobs
            ]
            found = sorted(found)[:most]
        lanes = {
            each: await self._lane(*each) for each in {(where, key.lane) for _, where, key in found}
        }
        return [
            (where, Doubt(key, *lanes[(where, key.lane)], at_ms)) for at_ms, where, key in found
        ]

    async def _lane(self, portfolio: PortfolioId, number: int) -> tuple[SenderId, str, str]:
        """Return the sender, source and template of a lane's jobs."""
        asked = self._client.hmget(keys.lane(portfolio, number), ["sender", "source", "template"])
        sender, source, template = [(value or b"").decode() for value in await reply_to(asked)]
        return SenderId(sender), source, template
