"""Rows of jobs that failed for good, in the memory ledger; mirror of dead_read.lua."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters.memory.ledger import MemoryLedger
from adapters.memory.records import Done
from adapters.memory.slot import Slot
from engine.dead import DeadRow, Links, WhyNot
from engine.model import DeliveryStatus, JobKey, JobState, PortfolioId


class MemoryDeadRows:
    """See engine.dead.DeadRows."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger
        self._later: dict[tuple[PortfolioId, JobKey], JobKey] = {}
        self._earlier: dict[tuple[PortfolioId, JobKey], JobKey] = {}

    async def read(self, portfolio: PortfolioId, jobs: Sequence[JobKey]) -> list[DeadRow]:
        """See DeadRows.read."""
        slot, _ = self._ledger.slot(portfolio)
        return [_read(slot, key) for key in jobs]

    async def replayed(self, portfolio: PortfolioId, jobs: Mapping[JobKey, JobKey]) -> None:
        """See DeadRows.replayed."""
        slot, _ = self._ledger.slot(portfolio)
        for old, new in jobs.items():
            slot.dead.pop(old, None)
            self._later[(portfolio, old)] = new
            self._earlier[(portfolio, new)] = old

    async def links(self, portfolio: PortfolioId, job: JobKey) -> Links:
        """See DeadRows.links."""
        return Links(self._later.get((portfolio, job)), self._earlier.get((portfolio, job)))


def _read(slot: Slot, key: JobKey) -> DeadRow:
    done, kept = slot.done.get(key), slot.dead.get(key)
    if done is None:
        return DeadRow(key, why_not=WhyNot.NO_JOB)
    lane = slot.lane_of(key).lane
    if done.state is not JobState.FAILED:
        return DeadRow(key, lane, why_not=WhyNot.NOT_FAILED)
    if _was_taken(done):
        return DeadRow(key, lane, why_not=WhyNot.REACHED)
    if kept is None:
        return DeadRow(key, lane, why_not=WhyNot.NOT_KEPT)
    job = kept[1]
    return DeadRow(key, lane, job.tail, job.repeats_max, job.expires_at_ms)


def _was_taken(done: Done) -> bool:
    """Return whether anything but a failure tells of the message."""
    if done.delivery is DeliveryStatus.UNDELIVERED and not done.mark_ms:
        return False
    return done.delivery is not DeliveryStatus.NONE or bool(done.mark_ms or done.wamid)
