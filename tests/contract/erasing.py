"""Forgetting a person in either ledger."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.memory.erase import MemoryEraser
from adapters.memory.ledger import MemoryLedger
from adapters.redis.erase import RedisEraser
from adapters.redis.ledger import RedisLedger
from engine.erasing import Erased
from engine.model import PortfolioId, RecipientKey


async def erase(
    ledger: MemoryLedger | RedisLedger, portfolio: PortfolioId, recipients: Sequence[RecipientKey]
) -> Erased:
    """Forget people in a ledger, as its own eraser does."""
    if isinstance(ledger, MemoryLedger):
        return await MemoryEraser(ledger).erase(portfolio, recipients)
    eraser = RedisEraser(ledger.scripts, ledger.calls, ledger._now_ms)
    return await eraser.erase(portfolio, recipients)
