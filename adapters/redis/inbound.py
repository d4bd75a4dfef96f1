"""Messages that come in take from a number's throughput, in the slot of its portfolio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from adapters.redis.scripts import Argument, Reply
from engine.model import PortfolioId, SenderId


class _Runs(Protocol):
    """What runs one script in a portfolio's slot."""

    async def _one(
        self, script: str, portfolio: PortfolioId, arguments: Sequence[Argument]
    ) -> Reply: ...


class RedisInbound:
    """See engine.inbound.Throughput; part of the ledger."""

    async def take_times(
        self: _Runs, portfolio: PortfolioId, messages: Mapping[SenderId, int]
    ) -> None:
        """See Throughput.take_times."""
        told: list[Argument] = []
        for sender, times in messages.items():
            told += [sender, times]
        await self._one("times_take", portfolio, told)
