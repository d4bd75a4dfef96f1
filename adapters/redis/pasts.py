"""What became of single jobs, as the outcome log in Redis tells it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from adapters.redis.calls import Calls
from adapters.redis.outcome_log import moved
from adapters.redis.scripts import Argument, Scripts
from engine.books import Move, Past
from engine.model import JobKey, NowMs, PortfolioId

BITE: Final = 200  # records of one step: less than a millisecond of the server


class RedisPasts:
    """See engine.books.Pasts."""

    def __init__(self, scripts: Scripts, calls: Calls, now_ms: NowMs) -> None:
        self._scripts = scripts
        self._calls = calls
        self._now_ms = now_ms

    async def of(self, portfolio: PortfolioId, key: JobKey, most: int) -> Past:
        """See Pasts.of."""
        moves, since_ms, before = list[Move](), None, "+"
        for looked in range(0, most, BITE):
            wish: list[Argument] = [key.lane, key.sequence, before, min(most - looked, BITE)]
            call = self._calls.call("history_read", portfolio, self._now_ms(), wish)
            is_over, last, told = (await self._scripts.run([call]))[0]
            for at in range(0, len(told), 2):
                moves += _moves(portfolio, key, told[at], told[at + 1])
            since_ms, before = (None, "") if is_over else (_ms(last), f"({last.decode()}")
            if is_over:
                break
        moves.reverse()  # those of one moment in the order in which they were told
        return Past(sorted(moves, key=lambda move: move.at_ms), since_ms)


def _moves(portfolio: PortfolioId, key: JobKey, entry_id: bytes, packed: bytes) -> list[Move]:
    if not packed:
        return [Move(_ms(entry_id), "enqueued")]
    return [
        Move(round(datetime.fromisoformat(each.at).timestamp() * 1_000), each.transition)
        for each in reversed(list(moved(portfolio, packed)))
        if each.job == str(key)
    ]


def _ms(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])
