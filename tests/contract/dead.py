"""Reading what failed jobs may be replayed with, in either ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from adapters.memory.dead_rows import MemoryDeadRows
from adapters.memory.ledger import MemoryLedger
from adapters.redis.dead_rows import RedisDeadRows
from adapters.redis.ledger import RedisLedger
from engine.dead import DeadRow
from engine.model import JobKey, PortfolioId

DAY_MS = 86_400_000


async def dead_rows(
    ledger: MemoryLedger | RedisLedger, portfolio: PortfolioId, jobs: Sequence[JobKey]
) -> list[DeadRow]:
    """Return the rows as the ledger's own reader does."""
    if isinstance(ledger, MemoryLedger):
        return await MemoryDeadRows(ledger).read(portfolio, jobs)
    parts = (ledger._client, ledger.scripts, ledger.calls, ledger._now_ms)
    return await RedisDeadRows(*parts, keep_ms=7 * DAY_MS).read(portfolio, jobs)


def reading(
    portfolio: PortfolioId, jobs: Sequence[JobKey]
) -> Callable[[MemoryLedger | RedisLedger], Awaitable[list[DeadRow]]]:
    """Return the step that reads these jobs in the ledger it is given."""
    return lambda ledger: dead_rows(ledger, portfolio, jobs)
