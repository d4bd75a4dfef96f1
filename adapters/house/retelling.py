"""What nothing takes back is told again to a ledger that has lost it: cancellations, erasures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from adapters.redis.registry import RedisRegistry
from engine.directory import Campaign, Journey
from engine.erasing import Erased, Eraser
from engine.model import PortfolioId, RecipientKey, SourceState
from engine.ports import Catalog, SourceSpec
from engine.recollection import Order

Moved = Callable[[Campaign | Journey], Awaitable[None]]
Remember = Callable[[PortfolioId, Order], None]


class RetoldEraser:
    """See engine.erasing.Eraser; what it erased is erased again where a loss brings it back."""

    def __init__(self, eraser: Eraser, remember: Remember) -> None:
        self._eraser = eraser
        self._remember = remember

    async def erase(self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]) -> Erased:
        """See Eraser.erase."""
        erased = await self._eraser.erase(portfolio, recipients)
        self._remember(portfolio, lambda: self._eraser.erase(portfolio, recipients))
        return erased


def retold(moved: Moved, remember: Remember, ledger: Catalog, registry: RedisRegistry) -> Moved:
    """Return a `moved` that has cancellations remembered; a pause is not, it may be taken back."""

    async def move(source: Campaign | Journey) -> None:
        if isinstance(source, Campaign) and source.state is SourceState.CANCELLED:

            def cancelled(known: Campaign | None) -> Campaign:
                return replace(known or source, state=SourceState.CANCELLED)

            async def again() -> None:
                spec = SourceSpec(SourceState.CANCELLED, source.weight)
                await ledger.put_source(source.portfolio_id, source.source, spec)
                await registry.change(Campaign, source.id, cancelled)

            remember(source.portfolio_id, again)
        await moved(source)

    return move
