"""Places in the window for sends that are no jobs, such as test sends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from adapters.redis.scripts import Argument, Reply
from engine.errors import ClockError, LedgerAwayError
from engine.model import Gate, PortfolioId
from engine.template_ports import Place, PlaceWish


class _Runs(Protocol):
    """What runs one script in a portfolio's slot."""

    async def _one(
        self, script: str, portfolio: PortfolioId, arguments: Sequence[Argument]
    ) -> Reply: ...


class RedisPlaces:
    """See engine.template_ports.Places; part of the ledger."""

    async def take_place(self: _Runs, portfolio: PortfolioId, wish: PlaceWish) -> Place:
        """See Places.take_place."""
        asked: list[Argument] = [wish.sender, wish.recipient, wish.template, int(wish.priority)]
        reply = await self._one("place_take", portfolio, asked)
        refused, until_ms, send_at_us, _, taken_ms = reply
        if refused == b"clock":
            raise ClockError("our clock and the ledger's differ too much; mend it (NTP)")
        if refused == b"recovering":
            raise LedgerAwayError("the ledger recovers what it lost; ask again in some seconds")
        gate = Gate(refused.decode()) if refused else None
        return Place(gate, until_ms, send_at_us, taken_ms)

    async def give_place(
        self: _Runs, portfolio: PortfolioId, wish: PlaceWish, taken_ms: int
    ) -> None:
        """See Places.give_place."""
        await self._one("place_give", portfolio, [wish.sender, wish.recipient, taken_ms])
