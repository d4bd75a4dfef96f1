"""The rows of campaigns for one process: what they said, and where they stand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from adapters.memory import books
from adapters.memory.ledger import MemoryLedger
from engine.model import JobKey, PortfolioId
from engine.results import KeptRows, Result, WaitingRow

AT_ONCE = 1_000


class MemoryResults:
    """See engine.results.Results."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger
        self._tails: dict[tuple[PortfolioId, JobKey], bytes] = {}
        self._rejects: dict[tuple[PortfolioId, str], list[bytes]] = {}

    async def keep(self, portfolio: PortfolioId, source: str, kept: Sequence[KeptRows]) -> None:
        """See Results.keep."""
        del source
        for rows in kept:
            for at, tail in enumerate(rows.tails):
                self._tails[portfolio, JobKey(rows.lane, rows.first + at)] = tail

    async def read(self, portfolio: PortfolioId, source: str) -> AsyncIterator[list[Result]]:
        """See Results.read."""
        slot, now_ms = self._ledger.slot(portfolio)
        known = slot.sources.get(source)
        for number in known.lanes if known else ():
            lane = slot.lanes[number]
            for first in range(1, lane.last + 1, AT_ONCE):
                results: list[Result] = []
                for sequence in range(first, min(first + AT_ONCE, lane.last + 1)):
                    key = JobKey(number, sequence)
                    view = books.job(slot, key, now_ms)
                    assert view is not None
                    tail = self._tails.get((portfolio, key), b"")
                    results.append(Result(lane.lane, view, tail))
                yield results

    async def waiting(self, portfolio: PortfolioId, source: str) -> AsyncIterator[list[WaitingRow]]:
        """See Results.waiting."""
        slot, _ = self._ledger.slot(portfolio)
        known = slot.sources.get(source)
        lanes = known.lanes if known else []
        waiting = [job for number in lanes for job in slot.lanes[number].queue]
        waiting += [job for number in lanes for job in slot.lanes[number].parked]
        waiting += [job for job, _ in slot.later.values() if job.key.lane in lanes]
        rows = [WaitingRow(job.key, slot.lane_of(job.key).lane.sender, job.tail) for job in waiting]
        for opened in slot.open.values():
            if opened.job.key.lane in lanes:
                sender = slot.lane_of(opened.job.key).lane.sender
                tail = opened.job.tail
                rows.append(WaitingRow(opened.job.key, sender, tail, is_claimed=True))
        yield rows

    async def reject(self, portfolio: PortfolioId, source: str, lines: Sequence[bytes]) -> None:
        """See Results.reject."""
        self._rejects.setdefault((portfolio, source), []).extend(lines)

    async def rejected(self, portfolio: PortfolioId, source: str) -> AsyncIterator[list[bytes]]:
        """See Results.rejected."""
        yield list(self._rejects.get((portfolio, source), ()))
