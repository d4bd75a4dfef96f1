"""The outcome log on its way to files, and who is told of what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from adapters.breath import breathe
from adapters.house.traced import tell_traced
from adapters.redis.connect import Client
from adapters.redis.dead_letters import DeadLetters
from adapters.redis.log_news import ExportTurn
from adapters.redis.outcome_log import OutcomeLog, Record
from adapters.redis.traces import RedisTraces
from adapters.settings import Settings
from engine.directory import Portfolio
from engine.errors import EngineError
from engine.model import NowMs, PortfolioId

EXPORT_EVERY_S: Final = 5.0


def exporting(
    client: Client,
    process: str,
    settings: Settings,
    dead_letters: DeadLetters,
    portfolios: Callable[[], Iterable[Portfolio]],
    now_ms: NowMs,
) -> Callable[[], Awaitable[None]]:
    """Return the step that writes the outcome log to files and trims it; one process does it.

    Where nothing happens it asks for all logs at once, and the other processes for the turn alone.
    A file that cannot be written holds up its own portfolio's log and no other.
    """

    async def heard(portfolio: PortfolioId, records: Sequence[Record]) -> None:
        await dead_letters.note(portfolio, records)
        await tell_traced(portfolio, records)

    outcome_log = OutcomeLog(
        client,
        settings.export_path,
        process=process,
        span_ms=settings.window_ms + settings.guard_ms,
        heard=heard,
        traces=RedisTraces(client, now_ms),
    )

    turn = ExportTurn(client, process)

    async def export() -> None:
        await asyncio.sleep(EXPORT_EVERY_S)
        if not await turn.is_ours():
            return
        failed: Exception | None = None
        known = list(portfolios())
        unwritten = await outcome_log.unwritten([each.id for each in known], now_ms())
        for place, each in enumerate(known):
            await breathe(place)
            limit, scope = each.messaging_limit, each.quota_scope
            try:
                window_s = settings.window_seconds
                await outcome_log.note_limit(each.id, limit, scope, window_s, now_ms())
                if each.id in unwritten:
                    await outcome_log.export(each.id, now_ms())
            except (EngineError, OSError) as error:
                failed = error
        if failed is not None:
            raise failed

    return export
