"""Forgetting a person's messages; mirror of adapters/redis/lua/person_erase.lua."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.memory.ledger import MemoryLedger
from adapters.memory.records import LaneState
from adapters.memory.slot import Slot
from engine.erasing import Erased
from engine.model import JobState, PortfolioId, RecipientKey

ERASED = "erased"


class MemoryEraser:
    """See engine.erasing.Eraser."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger

    async def erase(self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]) -> Erased:
        """See Eraser.erase."""
        slot, _ = self._ledger.slot(portfolio)
        wanted = set(recipients)
        slot.service_windows = {
            pair: until_ms
            for pair, until_ms in slot.service_windows.items()
            if pair[1] not in wanted
        }
        erased = Erased(unsent=_erase_aside(slot, wanted))
        for lane in slot.lanes.values():
            erased.unsent += _erase_lists(slot, lane, wanted)
            erased.ended += _erase_ended(slot, lane, wanted)
        dead = [key for key, (_, job) in slot.dead.items() if job.recipient in wanted]
        for key in dead:
            del slot.dead[key]
        slot.sequence += bool(dead)
        erased.open = sum(opened.job.recipient in wanted for opened in slot.open.values())
        slot.sequence += bool(erased.open)
        return erased


def _erase_lists(slot: Slot, lane: LaneState, wanted: set[RecipientKey]) -> int:
    found = 0
    for jobs, leave in ((lane.queue, slot.leave_ring), (lane.parked, slot.leave_wait)):
        unsent = [job for job in jobs if job.recipient in wanted and not job.repeats]
        for job in unsent:
            jobs.remove(job)
            slot.end(job, JobState.SUPPRESSED)
        if unsent:
            slot.sequence += 1
            if not jobs:
                leave(lane)
        found += len(unsent)
    return found


def _erase_ended(slot: Slot, lane: LaneState, wanted: set[RecipientKey]) -> int:
    found = 0
    for key, done in slot.done.items():
        if key.lane == lane.number and done.recipient in wanted and done.wamid not in {"", ERASED}:
            done.wamid = ERASED
            found += 1
    slot.sequence += bool(found)
    return found


def _erase_aside(slot: Slot, wanted: set[RecipientKey]) -> int:
    found = [key for key, (job, _) in slot.later.items() if job.recipient in wanted]
    for key in found:
        job, gate = slot.later.pop(key)
        slot.later_at.drop(str(key))
        slot.repeating.discard(key)
        slot.count_waiting(key, gate, -1)
        slot.end(job, JobState.SUPPRESSED)
    slot.sequence += bool(found)
    return len(found)
