"""Letting go of outcome log records that left the window: each log when its oldest one does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from adapters.redis import keys
from adapters.redis.asking import reply_to
from adapters.redis.connect import Client
from engine.model import PortfolioId
from engine.ports import FOREVER_MS

TRIM_EVERY_MS: Final = 60_000  # of one log, at most: whole nodes of it go, so mostly nothing does
AT_ONCE: Final = 100  # logs in one round trip
BEGIN: Final = b"0-0"  # before the first record


class LogTrimming:
    """Trims logs to what stays: a window, and what is in no file yet. Whoever does it does no harm.

    A log of which nothing is known has its turn within a minute, not all of them in one moment.
    """

    def __init__(self, client: Client, span_ms: int) -> None:
        self._client = client
        self._span_ms = span_ms
        self._due_ms: dict[PortfolioId, int] = {}

    def note(self, portfolio: PortfolioId, record: bytes) -> None:
        """Note that a log has this record; it leaves when its window is over."""
        leaves_ms = moment_of(record) + self._span_ms
        self._due_ms[portfolio] = min(self._due_ms.get(portfolio, FOREVER_MS), leaves_ms)

    async def look(self, portfolios: Sequence[PortfolioId], now_ms: int) -> None:
        """Trim those whose time has come; LedgerAwayError: the rest has its turn next time."""
        for place, each in enumerate(portfolios):
            first_ms = now_ms + place * TRIM_EVERY_MS // len(portfolios)
            self._due_ms.setdefault(each, first_ms)
        due = [each for each in portfolios if self._due_ms[each] <= now_ms]
        for start in range(0, len(due), AT_ONCE):
            await self._trim(due[start : start + AT_ONCE], now_ms)

    async def _trim(self, portfolios: Sequence[PortfolioId], now_ms: int) -> None:
        places = self._client.pipeline(transaction=False)
        for each in portfolios:
            places.get(keys.log_exported(each))
        reached = await reply_to(places.execute())
        trims = self._client.pipeline(transaction=False)
        for each, place in zip(portfolios, reached, strict=True):
            kept = min(f"{now_ms - self._span_ms}-0".encode(), place or BEGIN, key=order_of)
            trims.xtrim(keys.log(each), minid=kept.decode(), approximate=True)
            trims.xrange(keys.log(each), count=1)
        oldest = (await reply_to(trims.execute()))[1::2]
        for each, records in zip(portfolios, oldest, strict=True):
            self._due_ms[each] = FOREVER_MS
            if records:
                leaves_ms = moment_of(records[0][0]) + self._span_ms
                self._due_ms[each] = max(leaves_ms, now_ms + TRIM_EVERY_MS)


def moment_of(record: bytes) -> int:
    """Return when a record was written, epoch ms, from its id.

    >>> moment_of(b"1780000000000-3")
    1780000000000
    """
    return int(record.partition(b"-")[0])


def order_of(record: bytes) -> tuple[int, int]:
    """Return what orders ids of records.

    >>> order_of(b"99-2") < order_of(b"100")
    True
    """
    at_ms, _, rest = record.partition(b"-")
    return int(at_ms), int(rest or 0)
