"""Customer service windows as they stand in a ledger in memory, for tests."""

from __future__ import annotations

from adapters.memory.ledger import MemoryLedger
from engine.model import PortfolioId, RecipientKey, SenderId


class MemoryWindows:
    """See engine.inbound.Windows."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger

    async def until_ms(
        self, portfolio: PortfolioId, sender: SenderId, recipient: RecipientKey
    ) -> int:
        """See Windows.until_ms."""
        return self._ledger.slot(portfolio)[0].service_windows.get((sender, recipient), 0)
